#include "word_beginnings.hpp"

#include <algorithm>
#include <bit>

#include "parley/base/ids.hpp"

namespace parley::pipeline {
namespace {

/// Of scripts that do with few characters a word.
constexpr bool is_dense(char32_t c) { return c >= 0x2e80; }
/// How many characters are looked at. Three are rarely alike by chance in Chinese; in scripts of letters words share
/// beginnings.
constexpr std::size_t prefix_max(char32_t first) { return is_dense(first) ? 3 : 6; }

constexpr std::uint64_t prefix_hash(std::uint64_t of_shorter, char32_t next) { return mix64(of_shorter + next); }
/// Also tells a taken slot from an empty one.
constexpr std::uint16_t fingerprint(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48 | 1); }

/// A Bloom filter whose bits for one pair are in one word. The upper bits of a product depend on all bits of the pair.
struct PairPlace {
  PairPlace(char32_t first, char32_t second, std::size_t words) {
    const std::uint64_t hash = (std::uint64_t{first} << 21 | second) * 0x9e3779b97f4a7c15ULL;
    word = (hash >> 32) & (words - 1);
    bits = std::uint64_t{1} << (hash >> 58) | std::uint64_t{1} << (hash >> 52 & 63);
  }
  std::size_t word;
  std::uint64_t bits;
};

}  // namespace

bool WordBeginnings::is_single(char32_t c) const noexcept {
  return !singles_.empty() && (singles_[c % kSingles / 64] >> (c % 64) & 1) != 0;
}

bool WordBeginnings::is_pair(char32_t first, char32_t second) const noexcept {
  const PairPlace place(first, second, pairs_.size());
  return (pairs_[place.word] & place.bits) == place.bits;
}

WordBeginnings::WordBeginnings(const std::vector<std::u32string>& forms) {
  const std::size_t slots = std::max<std::size_t>(std::bit_ceil(4 * forms.size()), 64);
  prefixes_.resize(slots);
  pairs_.resize(slots / 32);  // 8 bits or more a word
  for (const std::u32string& form : forms) {
    longest_ = std::max(longest_, form.size());
    if (form.size() == 1) {
      singles_.resize(kSingles / 64);
      singles_[form[0] % kSingles / 64] |= std::uint64_t{1} << (form[0] % 64);
      continue;
    }
    const PairPlace place(form[0], form[1], pairs_.size());
    pairs_[place.word] |= place.bits;
    const std::size_t length = std::min(form.size(), prefix_max(form[0]));
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < length; ++i) hash = prefix_hash(hash, form[i]);
    lengths_[is_dense(form[0])] |= 1u << length;
    prefixes_[prefix_slot(hash)] = fingerprint(hash);
  }
}

/// Where the hash is, or the empty slot where it belongs.
std::size_t WordBeginnings::prefix_slot(std::uint64_t hash) const noexcept {
  std::size_t at = hash & (prefixes_.size() - 1);
  while (prefixes_[at] != 0 && prefixes_[at] != fingerprint(hash)) at = (at + 1) & (prefixes_.size() - 1);
  return at;
}

bool WordBeginnings::has_prefix(std::span<const Content> text) const noexcept {
  const std::size_t end = std::min(text.size(), prefix_max(text[0].c));
  const std::uint32_t lengths = lengths_[is_dense(text[0].c)];
  std::uint64_t hash = prefix_hash(0, text[0].c);
  for (std::size_t i = 1; i < end && text[i].joined; ++i) {
    hash = prefix_hash(hash, text[i].c);
    if ((lengths >> (i + 1) & 1) != 0 && prefixes_[prefix_slot(hash)] != 0) return true;
  }
  return false;
}

WordBeginnings::Range WordBeginnings::range_in(std::span<const Content> text) const noexcept {
  if (longest_ == 0) return {};
  std::size_t first = text.size(), last = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && in_one_word(text[i - 1], text[i])) continue;
    if (is_single(text[i].c) || (i + 1 < text.size() && text[i + 1].joined && is_pair(text[i].c, text[i + 1].c) &&
                                 has_prefix(text.subspan(i)))) {
      first = std::min(first, i);
      last = i;
    }
  }
  if (first == text.size()) return {};
  return {first, std::min(text.size(), last + longest_) - first};
}

}  // namespace parley::pipeline
