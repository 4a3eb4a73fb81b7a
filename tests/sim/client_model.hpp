#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "messages.hpp"

namespace parley::sim {

/// A tab or a console that keeps its side of docs/protocol.md: outbox, numbers, cursor, fold.
class ClientModel {
 public:
  /// What was said about one send, for the oracle.
  struct Answer {
    std::uint64_t seq = 0;
    Code code = Code::kOk;
    bool operator==(const Answer&) const = default;
  };
  struct Pending {
    Send send;
    bool on_wire = false;
    bool ever_sent = false;
  };
  using Transmit = std::function<void(ToHome)>;

  ClientModel(std::string name, Actor actor, DevId dev, Transmit transmit)
      : name_(std::move(name)), actor_(actor), dev_(dev), transmit_(std::move(transmit)) {}

  void connected();
  void disconnected() { live_ = false; }
  void on(const ToClient& message);

  void act(Send send);              ///< takes the next n
  void give_up(std::size_t index);  ///< an unanswered send becomes a void
  void
  time_out();  ///< nothing heard for long: everything unanswered goes out again, and a lost page is asked for again
  void adopt(ClientModel& dead);  ///< its outbox, under its dev and its numbers

  const std::string& name() const { return name_; }
  const Actor& actor() const { return actor_; }
  DevId dev() const { return dev_; }
  bool live() const { return live_; }
  std::uint64_t cursor() const { return cursor_; }
  const std::map<std::uint64_t, Entry>& view() const { return view_; }
  const std::deque<Pending>& outbox() const { return outbox_; }
  const std::map<std::pair<DevId, std::uint64_t>, Answer>& answers() const { return answers_; }
  std::uint64_t claim() const { return claim_; }
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  bool is_visitor() const { return actor_.who.kind == PrincipalKind::kVisitor; }
  void pump();
  void settle(const DevId& dev, std::uint64_t n, Answer answer);
  void back_off(const DevId& dev, std::uint64_t n);
  void on_entry(const Entry& entry);
  void show(const Entry& entry);
  void sync();

  std::string name_;
  Actor actor_;
  DevId dev_;
  Transmit transmit_;
  bool live_ = false, syncing_ = false;
  std::uint64_t next_n_ = 1, cursor_ = 0, claim_ = 0;
  std::map<std::uint64_t, Entry> view_;
  std::deque<Pending> outbox_;
  std::map<std::pair<DevId, std::uint64_t>, Answer> answers_;
  std::vector<std::string> complaints_;
};

}  // namespace parley::sim
