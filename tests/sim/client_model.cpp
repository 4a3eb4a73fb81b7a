#include "client_model.hpp"

#include <algorithm>

namespace parley::sim {

namespace {

bool is_passing(Code code) {
  return code == Code::kOutOfOrder || code == Code::kRate || code == Code::kJournalDown || code == Code::kBusy ||
         code == Code::kJournalFull;
}

}  // namespace

void ClientModel::connected() {
  live_ = false;
  syncing_ = false;
  for (Pending& pending : outbox_) pending.on_wire = false;
  ToHome hello;
  hello.after = cursor_;
  transmit_(hello);
}

void ClientModel::act(Send send) {
  send.dev = dev_;
  send.n = next_n_++;
  outbox_.push_back({send});
  pump();
}

void ClientModel::give_up(std::size_t index) {
  Pending& pending = outbox_[index];
  if (pending.send.type == EntryType::kVoid) return;
  Send instead;
  instead.dev = pending.send.dev;
  instead.n = pending.send.n;
  instead.type = EntryType::kVoid;
  pending.send = instead;
  pending.on_wire = false;
  pump();
}

void ClientModel::time_out() {
  for (Pending& pending : outbox_) pending.on_wire = false;
  pump();
  syncing_ = false;
  if (live_) sync();
}

void ClientModel::adopt(ClientModel& dead) {
  for (Pending& pending : dead.outbox_) {
    pending.on_wire = false;
    outbox_.push_back(pending);
  }
  dead.outbox_.clear();
  pump();
}

void ClientModel::pump() {
  if (!live_) return;
  std::map<DevId, unsigned> under_way;
  for (Pending& pending : outbox_) {
    if (++under_way[pending.send.dev] > protocol::kInFlightMax) continue;
    if (pending.on_wire) continue;
    pending.on_wire = pending.ever_sent = true;
    ToHome message;
    message.kind = ToHome::Kind::kSend;
    message.send = pending.send;
    transmit_(message);
  }
}

void ClientModel::settle(const DevId& dev, std::uint64_t n, Answer answer) {
  const auto [known, fresh] = answers_.try_emplace({dev, n}, answer);
  if (!fresh && known->second != answer)
    complaints_.push_back("n " + std::to_string(n) + " was answered twice, differently");
  if (answer.code == Code::kIdConflict || answer.code == Code::kTooOld) {
    complaints_.push_back("n " + std::to_string(n) + " met " +
                          (answer.code == Code::kTooOld ? "too_old" : "id_conflict"));
  }
  auto pending = std::find_if(outbox_.begin(), outbox_.end(),
                              [&](const Pending& p) { return p.send.dev == dev && p.send.n == n; });
  if (pending != outbox_.end()) outbox_.erase(pending);
  pump();
}

void ClientModel::back_off(const DevId& dev, std::uint64_t n) {
  // Sent again by the next time-out, as after_ms says.
  for (Pending& pending : outbox_) {
    if (pending.send.dev == dev && pending.send.n >= n) pending.on_wire = false;
  }
}

void ClientModel::on(const ToClient& message) {
  switch (message.kind) {
    case ToClient::Kind::kReady:
      if (message.reset) {
        complaints_.push_back("its cursor is beyond the log");
        view_.clear();
        cursor_ = 0;
      }
      live_ = true;
      for (const Entry& entry : message.entries) on_entry(entry);
      if (message.more) sync();
      pump();
      break;
    case ToClient::Kind::kAck:
      settle(message.dev, message.n, {message.seq, Code::kOk});
      break;
    case ToClient::Kind::kError:
      if (!is_passing(message.code)) {
        settle(message.dev, message.n, {0, message.code});
      } else if (message.code == Code::kOutOfOrder) {
        back_off(message.dev, std::min(message.expected, message.n));
      } else {
        back_off(message.dev, message.n);
      }
      break;
    case ToClient::Kind::kEntry:
      on_entry(message.entries.front());
      break;
    case ToClient::Kind::kPage:
      syncing_ = false;
      for (const Entry& entry : message.entries) on_entry(entry);
      if (message.more) sync();
      break;
  }
}

void ClientModel::on_entry(const Entry& entry) {
  if (entry.seq <= cursor_) {
    auto have = view_.find(entry.seq);
    if (have != view_.end() && entry.rev > have->second.rev) have->second = entry;
    return;
  }
  if (entry.seq != cursor_ + 1 + entry.skip && is_visitor()) return sync();
  if (entry.seq != cursor_ + 1 && !is_visitor()) return sync();
  show(entry);
}

void ClientModel::show(const Entry& entry) {
  cursor_ = entry.seq;
  view_[entry.seq] = entry;
  if (entry.type == EntryType::kClaim || entry.type == EntryType::kAssign || entry.type == EntryType::kTransfer ||
      entry.type == EntryType::kReopen)
    ++claim_;
  auto target = view_.find(entry.target);
  if (target == view_.end() || entry.seq <= target->second.rev) return;
  if (entry.type == EntryType::kEdit && !target->second.recalled) target->second.body = entry.body;
  if (entry.type == EntryType::kRecall) {
    target->second.recalled = true;
    target->second.body = 0;
  }
  target->second.rev = entry.seq;
}

void ClientModel::sync() {
  if (syncing_) return;
  syncing_ = true;
  ToHome message;
  message.kind = ToHome::Kind::kSync;
  message.after = cursor_;
  transmit_(message);
}

}  // namespace parley::sim
