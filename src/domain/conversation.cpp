#include "parley/domain/conversation.hpp"

#include <algorithm>
#include <cstring>

namespace parley::domain {
namespace {

using protocol::Code;

Verdict allow(Change change = {}) { return {Code::kOk, change}; }
Verdict refuse(Code code = Code::kForbidden) { return {code, {}}; }

Change owned_by(AgentId agent) { return {agent ? Status::kActive : Status::kWaiting, agent, true}; }

bool is_open(const ConversationMeta& meta) { return meta.status == Status::kWaiting || meta.status == Status::kActive; }

bool may_reopen(const ConversationMeta& meta, std::int64_t now_ns, std::int64_t window_ns) {
  return window_ns > 0 && now_ns - meta.closed_ns <= window_ns;
}

Verdict visitor_text(const ConversationMeta& meta, std::int64_t now_ns, std::int64_t reopen_window_ns) {
  switch (meta.status) {
    case Status::kNew:
      return allow({Status::kWaiting, std::nullopt, false});
    case Status::kWaiting:
    case Status::kActive:
      return allow();
    case Status::kClosed:
      break;
  }
  return may_reopen(meta, now_ns, reopen_window_ns) ? allow(owned_by(AgentId{0})) : refuse(Code::kClosed);
}

Verdict visitor_may(const ConversationMeta& meta, EntryType type, std::int64_t now_ns, std::int64_t reopen_window_ns) {
  switch (type) {
    case EntryType::kText:
      return visitor_text(meta, now_ns, reopen_window_ns);
    case EntryType::kClose:
      return is_open(meta) ? allow({Status::kClosed, std::nullopt, false}) : refuse();
    case EntryType::kEdit:
      return is_open(meta) ? allow() : refuse();
    case EntryType::kRecall:
      return meta.status != Status::kNew ? allow() : refuse();
    default:
      return refuse();
  }
}

Verdict hand_over(const ConversationMeta& meta, const Actor& actor, std::optional<AgentId> to) {
  if (!is_open(meta)) return refuse();
  const bool owner = meta.assignee && actor.who == Principal::agent(meta.assignee);
  if (!owner && !actor.supervisor && actor.who.kind != PrincipalKind::kSystem) return refuse();
  if (!to) return refuse(Code::kBadFrame);
  return allow(owned_by(*to));
}

Verdict agent_may(const ConversationMeta& meta, const Actor& actor, EntryType type, std::optional<AgentId> to) {
  if (meta.status == Status::kNew) return refuse();  // only its visitor knows that it may exist one day
  const bool can_own = actor.who.kind == PrincipalKind::kAgent;
  const AgentId self{can_own ? actor.who.id : 0};
  switch (type) {
    case EntryType::kText:
    case EntryType::kEdit:
      return is_open(meta) ? allow() : refuse();
    case EntryType::kNote:
    case EntryType::kRecall:
      return allow();
    case EntryType::kClaim:
      if (!can_own || meta.status == Status::kClosed) return refuse();
      return meta.assignee ? refuse(Code::kClaimed) : allow(owned_by(self));
    case EntryType::kAssign:
    case EntryType::kTransfer:
      return hand_over(meta, actor, to);
    case EntryType::kClose:
      return is_open(meta) ? allow({Status::kClosed, std::nullopt, false}) : refuse();
    case EntryType::kReopen:
      return can_own && meta.status == Status::kClosed ? allow(owned_by(self)) : refuse();
    case EntryType::kEvent:
      return actor.who.kind == PrincipalKind::kSystem ? allow() : refuse();
    case EntryType::kVoid:
    case EntryType::kRefusal:
      break;
  }
  return refuse();
}

void change_status(ConversationMeta& meta, const EntryFacts& entry, Status status) {
  if (status == Status::kWaiting && meta.status != Status::kWaiting) meta.waiting_since_ns = entry.ts_ns;
  if (status != Status::kWaiting) meta.waiting_since_ns = 0;
  if (status == Status::kClosed) {
    meta.closed_ns = entry.ts_ns;
    meta.closed_by = entry.from;
    meta.closed_reason = std::string(entry.text);
  } else {
    meta.closed_ns = 0;
    meta.closed_by = {};
    meta.closed_reason.clear();
  }
  meta.status = status;
}

void note_text(ConversationMeta& meta, const EntryFacts& entry) {
  meta.last_ts_ns = entry.ts_ns;
  meta.last_text_seq = entry.seq;
  meta.last_from = static_cast<char>(entry.from.kind);
  meta.preview = preview_of(entry.text);
  if (entry.from.kind == PrincipalKind::kAgent && meta.first_response_ns == 0) meta.first_response_ns = entry.ts_ns;
}

/// Bytes of the line break at the start of `text`: LF, VT, FF, CR, CR LF, NEL, LINE and PARAGRAPH SEPARATOR; 0 if there
/// is none.
std::size_t line_break_bytes(std::string_view text) {
  if (text.starts_with("\r\n")) return 2;
  if (text[0] >= '\n' && text[0] <= '\r') return 1;
  if (text.starts_with("\xC2\x85")) return 2;
  if (text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9")) return 3;
  return 0;
}

/// Bytes of the code point that begins with `lead`.
constexpr std::size_t point_bytes(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/// May a line break begin with it?
constexpr bool is_break_lead(unsigned char lead) { return lead < ' ' || lead == 0xc2 || lead == 0xe2; }

/// Leading bytes of ASCII that are no control characters, eight at a time.
std::size_t plain_bytes(std::string_view text) {
  constexpr std::uint64_t kEach = 0x0101010101010101, kHigh = 0x80 * kEach;
  std::size_t at = 0;
  for (std::uint64_t eight; at + sizeof eight <= text.size(); at += sizeof eight) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    // No bit 7, and none is lost by taking a space from each.
    if (((eight | (eight - ' ' * kEach)) & kHigh) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at] - ' ') < 0x60) ++at;
  return at;
}

}  // namespace

void apply(ConversationMeta& meta, const EntryFacts& entry) {
  if (entry.type == EntryType::kVoid || entry.type == EntryType::kRefusal || entry.seq <= meta.head) return;
  meta.head = entry.seq;
  meta.last_pos = entry.pos;
  if (meta.created_ns == 0) meta.created_ns = entry.ts_ns;
  const bool is_public = entry.audience == Audience::kPublic;
  if (is_public) meta.public_head = entry.seq;

  if (entry.type == EntryType::kText && is_public) note_text(meta, entry);
  if (entry.target != 0 && entry.target == meta.last_text_seq) {
    if (entry.type == EntryType::kEdit) meta.preview = preview_of(entry.text);
    if (entry.type == EntryType::kRecall) meta.preview.clear();
  }

  if (entry.change.status) change_status(meta, entry, *entry.change.status);
  if (entry.change.assignee) meta.assignee = *entry.change.assignee;
  if (entry.change.new_claim) ++meta.claim;
}

Verdict decide(const ConversationMeta& meta, const Actor& actor, EntryType type, std::optional<AgentId> to,
               std::int64_t now_ns, std::int64_t reopen_window_ns) {
  if (type == EntryType::kVoid) return allow();
  if (actor.who.kind == PrincipalKind::kVisitor) return visitor_may(meta, type, now_ns, reopen_window_ns);
  return agent_may(meta, actor, type, to);
}

protocol::Code may_change(const Actor& actor, EntryType type, const Target& target, std::int64_t now_ns) {
  const bool is_words = target.type == EntryType::kText || target.type == EntryType::kNote;
  if (!is_words || target.recalled) return Code::kForbidden;
  if (actor.who.kind == PrincipalKind::kVisitor && target.audience == Audience::kInternal) return Code::kForbidden;
  const bool author = actor.who == target.author;
  if (type == EntryType::kEdit) return author ? Code::kOk : Code::kForbidden;
  if (type != EntryType::kRecall) return Code::kForbidden;
  if (actor.supervisor || actor.who.kind == PrincipalKind::kSystem) return Code::kOk;
  return author && now_ns - target.ts_ns <= kRecallWindowNs ? Code::kOk : Code::kForbidden;
}

Audience audience_of(EntryType type, Audience target) noexcept {
  if (type == EntryType::kNote) return Audience::kInternal;
  const bool follows_target = type == EntryType::kEdit || type == EntryType::kRecall;
  return follows_target ? target : Audience::kPublic;
}

std::string preview_of(std::string_view text, std::size_t points) {
  std::string out;
  out.reserve(std::min(text.size(), 3 * points + 3));
  std::size_t at = 0, run = 0;    // text[run, at) is taken over as it is
  std::size_t last_point_at = 0;  // where the last code point begins in `out`
  for (std::size_t count = 0; at < text.size() && count < points; ++count) {
    last_point_at = out.size() + (at - run);
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead >= ' ' && lead < 0x80) {
      const std::size_t plain = plain_bytes(text.substr(at, points - count));
      at += plain;
      count += plain - 1;
      last_point_at += plain - 1;
    } else if (const std::size_t line_break = is_break_lead(lead) ? line_break_bytes(text.substr(at)) : 0;
               line_break != 0) {
      out += text.substr(run, at - run);
      out += ' ';
      run = at += line_break;
    } else {
      at = std::min(at + point_bytes(lead), text.size());
    }
  }
  out += text.substr(run, at - run);
  if (at < text.size()) {
    out.resize(last_point_at);
    if (points > 0) out += "…";
  }
  return out;
}

}  // namespace parley::domain
