#pragma once
#include <array>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "client_model.hpp"
#include "home_model.hpp"

namespace parley::sim {

/// One schedule: tabs of a visitor, two agents and a supervisor talk in one conversation while links break, messages
/// are lost, doubled and reordered, the home crashes and the disk fills up; then everything heals and the oracle
/// compares what was said, shown and stored. Everything follows from the seed.
class World {
 public:
  World(std::uint64_t seed, const Flaws& flaws);
  /// Runs the schedule; what was violated, empty if nothing.
  std::vector<std::string> run();
  std::string story() const;  ///< what happened, for a failure's message

  struct Counters {
    std::uint64_t entries = 0, crashes = 0, breaks = 0, repeats = 0, refusals = 0, voids = 0, notes = 0, handovers = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Connection {
    std::size_t client = 0;
    bool client_side = true, server_side = true;
    std::deque<ToHome> up;
    std::vector<ToClient> down;
  };
  using SendId = std::tuple<Principal, DevId, std::uint64_t>;

  void step();
  void act(std::size_t client);
  void connect(std::size_t client);
  void break_link(std::size_t client);
  void crash();
  void die_and_be_adopted();
  bool deliver_up(ConnectionId id);
  bool deliver_down(ConnectionId id, bool faithful);
  bool heal_once();
  bool all_agree() const;
  void say(const std::string& what);

  void check_store(std::vector<std::string>& out) const;
  void check_answers(std::vector<std::string>& out) const;
  void check_views(std::vector<std::string>& out) const;
  void check_legality(std::vector<std::string>& out) const;

  std::uint64_t seed_;
  const Flaws flaws_;
  Random random_;
  JournalModel journal_;
  std::unique_ptr<HomeModel> home_;
  std::vector<ClientModel> clients_;
  std::set<std::size_t> dead_;
  std::vector<ConnectionId> current_;   // per client; 0: none
  std::deque<Connection> connections_;  // id is index + 1
  std::vector<std::pair<SendId, Send>> issued_;
  std::int64_t now_ns_ = 1'000'000'000;
  std::uint64_t next_body_ = 1;
  Counters counters_;
  std::vector<std::string> story_;
};

}  // namespace parley::sim
