#include <snappy.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "parley/base/bytes.hpp"
#include "parley/pipeline/pipeline.hpp"
#include "parley/pipeline/word_filter.hpp"
#include "parley/protocol/utf8.hpp"
#include "text_scan.hpp"

namespace parley::pipeline {
namespace {

using protocol::Code;
using protocol::EntryType;

constexpr std::size_t kCompressMin = 512;  // below it Snappy gains nothing (measured: 200 bytes become 204)

bool has_text(EntryType type) {
  return type == EntryType::kText || type == EntryType::kNote || type == EntryType::kEdit;
}

/// A control character that means nothing in a message. Line feed and tab stay; C1 (U+0080 to U+009F) is two bytes.
bool is_stray_control(std::string_view text, std::size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c < 0x20) return c != '\n' && c != '\t';
  return c == 0x7f || (c == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0);
}

/// Where the first of them is from `at` on, or the end.
std::size_t next_stray_control(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL, kHighs = 0x8080808080808080ULL;
  for (; at < text.size(); ++at) {
    // Eight bytes without anything that it might be are passed over at once.
    while (text.size() - at >= 8) {
      std::uint64_t bytes;
      std::memcpy(&bytes, text.data() + at, 8);
      const std::uint64_t deletes = bytes ^ 0x7f * kOnes, c1_leads = bytes ^ 0xc2 * kOnes;
      const std::uint64_t suspects =
          ((bytes - ' ' * kOnes) & ~bytes) | ((deletes - kOnes) & ~deletes) | ((c1_leads - kOnes) & ~c1_leads);
      if ((suspects & kHighs) != 0) break;
      at += 8;
    }
    if (at < text.size() && is_stray_control(text, at)) break;
  }
  return std::min(at, text.size());
}

void strip_controls(std::string& text) {
  std::size_t in = next_stray_control(text, 0), out = in;
  while (in < text.size()) {
    in += static_cast<unsigned char>(text[in]) == 0xc2 ? 2 : 1;
    const std::size_t stop = next_stray_control(text, in);
    std::memmove(text.data() + out, text.data() + in, stop - in);
    out += stop - in;
    in = stop;
  }
  text.resize(out);
}

/// Does it show nothing at all?
bool is_blank(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const auto c = static_cast<UChar32>(decode_utf8(p));
    const bool invisible =
        u_isUWhiteSpace(c) || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || c == 0x2800;
    if (!invisible) return false;
  }
  return true;
}

StageResult validate(Draft& draft, const TenantPolicy&) {
  if (!has_text(draft.type)) return {};
  if (!protocol::valid_utf8(draft.text)) return {Code::kBadFrame, "body.text", "must be UTF-8"};
  strip_controls(draft.text);
  if (is_blank(draft.text)) return {Code::kBadFrame, "body.text", "must not be empty"};
  if (draft.text.size() > protocol::kTextCodePointsMax && code_points(draft.text) > protocol::kTextCodePointsMax) {
    return {Code::kTooLarge, "body.text", "may have at most 4000 characters"};
  }
  return {};
}

StageResult filter(Draft& draft, const TenantPolicy& policy) {
  if (policy.filter == nullptr || !has_text(draft.type)) return {};
  const std::vector<WordFilter::Hit> hits = policy.filter->find(draft.text);
  bool masked = false;
  for (const WordFilter::Hit& hit : hits) {
    if (hit.action == WordAction::kBlock) {
      // Which word it was is not told: that would teach how to go round it.
      return {Code::kFiltered, "body.text", std::string(protocol::info(Code::kFiltered).message)};
    }
    masked |= hit.action == WordAction::kMask;
    draft.flagged |= hit.action == WordAction::kFlag;
  }
  if (masked) draft.text = mask(draft.text, hits);
  return {};
}

StageResult compress(Draft& draft, const TenantPolicy&) {
  if (draft.codec != protocol::Codec::kJson || draft.body.size() < kCompressMin) return {};
  std::string packed;
  snappy::Compress(draft.body.data(), draft.body.size(), &packed);
  // Reading costs a decompression each time; an eighth is the least that is worth it.
  if (packed.size() + draft.body.size() / 8 <= draft.body.size()) {
    draft.body = std::move(packed);
    draft.codec = protocol::Codec::kSnappy;
  }
  return {};
}

constexpr std::array<Stage, 3> kStages{{{"validate", validate}, {"filter", filter}, {"compress", compress}}};
constexpr std::size_t kTextStages = 2;  // the first ones

std::size_t index_of(std::string_view name) {
  return static_cast<std::size_t>(
      std::find_if(kStages.begin(), kStages.end(), [&](const Stage& s) { return s.name == name; }) - kStages.begin());
}

}  // namespace

std::span<const Stage> all_stages() { return kStages; }

Result<> check_policy(const TenantPolicy& policy) {
  for (const std::string& name : policy.text_stages) {
    if (index_of(name) >= kTextStages) {
      return Error(Errc::kBadInput, "\"" + name + "\" is not a text stage; there are validate and filter",
                   "text_stages");
    }
  }
  for (const std::string& name : policy.stored_stages) {
    const std::size_t index = index_of(name);
    if (index < kTextStages || index == kStages.size()) {
      return Error(Errc::kBadInput, "\"" + name + "\" is not a stage of the stored form; there is compress",
                   "stored_stages");
    }
  }
  return {};
}

StageResult run_stages(Draft& draft, const TenantPolicy& policy, std::span<const std::string> names,
                       const std::function<void(std::size_t, std::chrono::nanoseconds)>& on_stage) {
  std::chrono::steady_clock::time_point begin;
  if (on_stage) begin = std::chrono::steady_clock::now();
  for (const std::string& name : names) {
    const std::size_t index = index_of(name);
    // check_policy() keeps such a name out; to pass over it would mean to pass over a filter.
    if (index == kStages.size()) return {Code::kInternal, {}, "there is no stage \"" + name + "\""};
    StageResult result = kStages[index].run(draft, policy);
    if (on_stage) {
      const auto end = std::chrono::steady_clock::now();  // of one stage, and where the next one begins
      on_stage(index, end - begin);
      begin = end;
    }
    if (result.code != Code::kOk) return result;
  }
  return {};
}

Result<std::string> restore_body(protocol::Codec codec, std::string_view stored, std::size_t bytes_max) {
  switch (codec) {
    case protocol::Codec::kJson:
      if (stored.size() > bytes_max) return Error(Errc::kTooLarge, "a stored body above the limit");
      return std::string(stored);
    case protocol::Codec::kSnappy: {
      std::size_t size = 0;
      if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &size)) {
        return Error(Errc::kBadInput, "a damaged compressed body");
      }
      if (size > bytes_max) return Error(Errc::kTooLarge, "a compressed body above the limit");
      std::string out(size, '\0');
      if (!snappy::RawUncompress(stored.data(), stored.size(), out.data())) {
        return Error(Errc::kBadInput, "a damaged compressed body");
      }
      return out;
    }
  }
  return Error(Errc::kBadInput, "an unknown codec");
}

}  // namespace parley::pipeline
