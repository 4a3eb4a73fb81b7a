#include "word_engine.hpp"

#if !defined(PARLEY_HAVE_HYPERSCAN)

namespace parley::pipeline {
std::unique_ptr<WordEngine> make_hyperscan(const std::vector<std::u32string>&) { return nullptr; }
}  // namespace parley::pipeline

#else

#include <hs/hs.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace parley::pipeline {
namespace {

constexpr char kWall = '\n';  // classified as a line break, therefore in no form

char* put_utf8(char* p, char32_t c) noexcept {
  if (c < 0x80) {
    *p++ = static_cast<char>(c);
  } else if (c < 0x800) {
    *p++ = static_cast<char>(0xc0 | c >> 6);
    *p++ = static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    *p++ = static_cast<char>(0xe0 | c >> 12);
    *p++ = static_cast<char>(0x80 | (c >> 6 & 63));
    *p++ = static_cast<char>(0x80 | (c & 63));
  } else {
    *p++ = static_cast<char>(0xf0 | c >> 18);
    *p++ = static_cast<char>(0x80 | (c >> 12 & 63));
    *p++ = static_cast<char>(0x80 | (c >> 6 & 63));
    *p++ = static_cast<char>(0x80 | (c & 63));
  }
  return p;
}

/// The characters that count, as UTF-8, with a wall where a word may not go on.
class Compact {
 public:
  explicit Compact(std::span<const Content> text) {
    constexpr std::size_t kBytesMax = 5;  // of a character and its wall
    if (text.size() * kBytesMax > local_.size()) {
      heap_.resize(text.size() * kBytesMax);
      begin_ = end_ = heap_.data();
    }
    for (const Content& content : text) {
      if (!content.joined) *end_++ = kWall;
      end_ = put_utf8(end_, content.c);
    }
  }
  const char* data() const { return begin_; }
  std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }

 private:
  std::array<char, 4096> local_;  // enough for nearly all messages
  std::vector<char> heap_;
  char* begin_ = local_.data();
  char* end_ = begin_;
};

struct FreeDatabase {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
};
struct FreeScratch {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using Scratch = std::unique_ptr<hs_scratch_t, FreeScratch>;

/// A match, as Hyperscan reports it: the offset behind the last byte.
struct ByteHit {
  std::uint32_t word = 0;
  std::size_t end = 0;
};

/// Literals over the compact text. A scan needs scratch space that no other scan uses: some are kept, more than that
/// many threads at once make their own.
class Hyperscan final : public WordEngine {
 public:
  Hyperscan(std::unique_ptr<hs_database_t, FreeDatabase> database, Scratch scratch)
      : database_(std::move(database)), prototype_(std::move(scratch)) {}
  ~Hyperscan() override {
    for (auto& kept : kept_) Scratch(kept.load());
  }

  void find(std::span<const Content> text, std::vector<RawHit>& out) const override {
    if (text.empty()) return;
    const Compact compact(text);
    std::vector<ByteHit> hits;
    const auto on_match = [](unsigned id, unsigned long long, unsigned long long to, unsigned, void* context) {
      static_cast<std::vector<ByteHit>*>(context)->push_back({id, static_cast<std::size_t>(to)});
      return 0;
    };
    Scratch scratch = take_scratch();
    // Cannot fail with valid arguments; a scan that did anyway must not pass for one that found nothing.
    if (hs_scan(database_.get(), compact.data(), static_cast<unsigned>(compact.size()), 0, scratch.get(), on_match,
                &hits) != HS_SUCCESS) {
      throw std::bad_alloc();
    }
    keep_scratch(std::move(scratch));
    if (hits.empty()) return;
    std::sort(hits.begin(), hits.end(), [](const ByteHit& a, const ByteHit& b) { return a.end < b.end; });
    std::size_t byte = 0;
    std::uint32_t characters = 0;
    for (const ByteHit& hit : hits) {
      for (; byte < hit.end; ++byte) {
        const char c = compact.data()[byte];
        characters += c != kWall && (static_cast<unsigned char>(c) & 0xc0) != 0x80;
      }
      out.push_back({hit.word, characters - 1});
    }
  }

 private:
  Scratch take_scratch() const {
    for (auto& kept : kept_) {
      if (hs_scratch_t* mine = kept.exchange(nullptr, std::memory_order_acquire)) return Scratch(mine);
    }
    hs_scratch_t* copy = nullptr;
    if (hs_clone_scratch(prototype_.get(), &copy) != HS_SUCCESS) throw std::bad_alloc();
    return Scratch(copy);
  }
  void keep_scratch(Scratch scratch) const {
    for (auto& kept : kept_) {
      hs_scratch_t* none = nullptr;
      if (kept.compare_exchange_strong(none, scratch.get(), std::memory_order_release)) {
        (void)scratch.release();
        return;
      }
    }
  }

  std::unique_ptr<hs_database_t, FreeDatabase> database_;
  Scratch prototype_;  // only cloned
  mutable std::array<std::atomic<hs_scratch_t*>, 8> kept_{};
};

}  // namespace

std::unique_ptr<WordEngine> make_hyperscan(const std::vector<std::u32string>& forms) {
  if (forms.empty() || hs_valid_platform() != HS_SUCCESS) return nullptr;
  std::vector<std::string> bytes;
  std::vector<const char*> expressions;
  std::vector<std::size_t> lengths;
  std::vector<unsigned> flags(forms.size(), 0), ids;
  bytes.reserve(forms.size());
  for (const auto& form : forms) {
    char buffer[4 * 64 + 4];
    char* end = buffer;
    for (const char32_t c : form) end = put_utf8(end, c);
    bytes.emplace_back(buffer, end);
    expressions.push_back(bytes.back().data());
    lengths.push_back(bytes.back().size());
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t compiled =
      hs_compile_lit_multi(expressions.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(forms.size()), HS_MODE_BLOCK, nullptr, &database, &error);
  if (error != nullptr) hs_free_compile_error(error);
  if (compiled != HS_SUCCESS) return nullptr;
  std::unique_ptr<hs_database_t, FreeDatabase> owned(database);
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) return nullptr;
  return std::make_unique<Hyperscan>(std::move(owned), Scratch(scratch));
}

}  // namespace parley::pipeline

#endif
