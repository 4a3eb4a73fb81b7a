#include "world.hpp"

#include <algorithm>
#include <map>

namespace parley::sim {
namespace {

constexpr std::int64_t kStepNs = 500'000'000;
constexpr std::size_t kSteps = 220;
constexpr std::size_t kTabs = 3, kAgents = 3;
constexpr std::uint64_t kFirstAgent = 11;
constexpr std::size_t kRecentConnections = 12;
constexpr int kHealTurns = 100;

DevId dev_of(std::size_t number) {
  DevId dev;
  dev.bytes[0] = static_cast<std::uint8_t>(number + 1);
  return dev;
}

std::string show(const Entry& e) {
  return "seq " + std::to_string(e.seq) + " type " + std::to_string(int(e.type)) + " of " + e.from.str() + " dev " +
         std::to_string(e.dev.bytes[0]) + " n " + std::to_string(e.n) + " body " + std::to_string(e.body) + " rev " +
         std::to_string(e.rev) + (e.recalled ? " recalled" : "");
}

}  // namespace

World::World(std::uint64_t seed, const Flaws& flaws) : seed_(seed), flaws_(flaws), random_(seed), journal_(flaws_) {
  home_ = std::make_unique<HomeModel>(journal_, flaws_, [this](ConnectionId id, ToClient message) {
    Connection& connection = connections_[id - 1];
    if (connection.client_side && connection.server_side) connection.down.push_back(std::move(message));
  });
  clients_.reserve(kTabs + kAgents);
  current_.resize(kTabs + kAgents, 0);
  for (std::size_t i = 0; i < kTabs + kAgents; ++i) {
    const bool tab = i < kTabs;
    const std::uint64_t agent = kFirstAgent + i - kTabs;
    const Actor actor{tab ? Principal::visitor(VisitorId{7}) : Principal::agent(AgentId{agent}),
                      !tab && i + 1 == kTabs + kAgents};
    clients_.emplace_back((tab ? "tab " : "agent ") + std::to_string(tab ? i : agent), actor, dev_of(i),
                          [this, i](ToHome message) {
                            if (current_[i] != 0) connections_[current_[i] - 1].up.push_back(std::move(message));
                          });
  }
}

void World::say(const std::string& what) { story_.push_back(what); }

std::string World::story() const {
  std::string out = "PARLEY_SIM_SEED=" + std::to_string(seed_) + "\n";
  for (const std::string& line : story_) out += "  " + line + "\n";
  for (const Entry& entry : journal_.entries()) out += "  stored: " + show(entry) + "\n";
  return out;
}

void World::connect(std::size_t client) {
  break_link(client);
  connections_.push_back({client, true, true, {}, {}});
  current_[client] = static_cast<ConnectionId>(connections_.size());
  clients_[client].connected();
}

void World::break_link(std::size_t client) {
  if (current_[client] == 0) return;
  Connection& old = connections_[current_[client] - 1];
  old.client_side = false;
  old.down.clear();
  // Some of what was on its way may still arrive, long after; then the server notices.
  old.up.resize(random_.below(old.up.size() + 1));
  ToHome closed;
  closed.kind = ToHome::Kind::kClosed;
  old.up.push_back(closed);
  current_[client] = 0;
  clients_[client].disconnected();
}

void World::crash() {
  ++counters_.crashes;
  say("the home crashes");
  home_->crash();
  for (Connection& connection : connections_) {
    connection.server_side = false;
    connection.up.clear();  // answers already under way may still arrive
  }
}

void World::die_and_be_adopted() {
  // The last tab of the visitor stays, to be somebody who adopts.
  const std::size_t tab = random_.below(kTabs - 1);
  if (dead_.contains(tab)) return;
  break_link(tab);
  dead_.insert(tab);
  say(clients_[tab].name() + " dies with " + std::to_string(clients_[tab].outbox().size()) + " unanswered");
  clients_[kTabs - 1].adopt(clients_[tab]);
}

void World::act(std::size_t client) {
  ClientModel& who = clients_[client];
  if (dead_.contains(client) || who.outbox().size() > 24) return;
  Send send;
  send.body = next_body_++;
  const bool visitor = client < kTabs;
  const std::uint64_t dice = random_.below(100);
  const auto some_entry = [&]() -> std::uint64_t { return who.cursor() == 0 ? 0 : 1 + random_.below(who.cursor()); };
  if (dice < 55) {
    send.type = EntryType::kText;
  } else if (dice < 62) {
    send.type = EntryType::kEdit;
    send.target = some_entry();
  } else if (dice < 67) {
    send.type = EntryType::kRecall;
    send.target = some_entry();
  } else if (dice < 72) {
    send.type = EntryType::kClose;
  } else if (visitor) {
    send.type = EntryType::kText;
  } else if (dice < 82) {
    send.type = EntryType::kNote;
    ++counters_.notes;
  } else if (dice < 92) {
    send.type = EntryType::kClaim;
    if (random_.percent(50)) send.if_claim = who.claim();
  } else if (dice < 96) {
    send.type = random_.percent(50) ? EntryType::kAssign : EntryType::kTransfer;
    send.to = AgentId{random_.percent(30) ? 0 : kFirstAgent + random_.below(kAgents)};
  } else {
    send.type = EntryType::kReopen;
  }
  who.act(send);
  Send numbered = who.outbox().back().send;
  issued_.push_back({{who.actor().who, numbered.dev, numbered.n}, numbered});
}

bool World::deliver_up(ConnectionId id) {
  Connection& connection = connections_[id - 1];
  if (!connection.server_side || connection.up.empty()) return false;
  const ToHome message = std::move(connection.up.front());
  connection.up.pop_front();
  const Actor& actor = clients_[connection.client].actor();
  switch (message.kind) {
    case ToHome::Kind::kHello:
      home_->on_hello(id, actor, message.after);
      break;
    case ToHome::Kind::kSend:
      home_->on_send(id, actor, message.send, now_ns_);
      break;
    case ToHome::Kind::kSync:
      home_->on_sync(id, actor, message.after);
      break;
    case ToHome::Kind::kClosed:
      home_->on_closed(id);
      connection.server_side = false;
      break;
  }
  return true;
}

bool World::deliver_down(ConnectionId id, bool faithful) {
  Connection& connection = connections_[id - 1];
  if (!connection.client_side || connection.down.empty()) return false;
  std::size_t index = 0;
  bool keep = false;
  if (!faithful) {
    if (random_.percent(30)) index = random_.below(connection.down.size());
    keep = random_.percent(5);
  }
  const ToClient message = connection.down[index];
  if (!keep) connection.down.erase(connection.down.begin() + static_cast<std::ptrdiff_t>(index));
  // A lost hello's answer would only mean a longer wait; everything else may vanish.
  if (!faithful && message.kind != ToClient::Kind::kReady && random_.percent(6)) return true;
  if (message.kind == ToClient::Kind::kError) ++counters_.refusals;
  clients_[connection.client].on(message);
  return true;
}

void World::step() {
  now_ns_ += kStepNs;
  const std::uint64_t dice = random_.below(1000);
  const std::size_t client = random_.below(clients_.size());
  const std::size_t recent = std::min(connections_.size(), kRecentConnections);
  const auto connection = recent == 0 ? 0 : static_cast<ConnectionId>(connections_.size() - random_.below(recent));
  if (dice < 300) {
    if (connection != 0) deliver_up(connection);
  } else if (dice < 580) {
    if (connection != 0) deliver_down(connection, false);
  } else if (dice < 690) {
    if (home_->has_submitted()) home_->commit(1 + random_.below(3), false);
  } else if (dice < 780) {
    if (home_->has_results()) home_->deliver_results(1 + random_.below(4));
  } else if (dice < 900) {
    act(client);
  } else if (dice < 940) {
    const bool lost = current_[client] == 0 || !connections_[current_[client] - 1].server_side;
    if (lost && !dead_.contains(client)) connect(client);
  } else if (dice < 955) {
    ++counters_.breaks;
    break_link(client);
  } else if (dice < 965) {
    crash();
  } else if (dice < 982) {
    if (!clients_[client].outbox().empty()) ++counters_.repeats;
    clients_[client].time_out();
  } else if (dice < 990) {
    if (!clients_[client].outbox().empty()) {
      ++counters_.voids;
      clients_[client].give_up(random_.below(clients_[client].outbox().size()));
    }
  } else if (dice < 994) {
    if (home_->has_submitted()) home_->commit(1, true);
  } else if (dice < 998) {
    home_->strict_words = !home_->strict_words;
  } else {
    die_and_be_adopted();
  }
}

bool World::all_agree() const {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (dead_.contains(i)) continue;
    const std::uint64_t head = i < kTabs ? journal_.meta().public_head : journal_.meta().head;
    if (!clients_[i].outbox().empty() || clients_[i].cursor() != head) return false;
  }
  return !home_->has_submitted() && !home_->has_results();
}

bool World::heal_once() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (dead_.contains(i)) continue;
    const bool lost = current_[i] == 0 || !connections_[current_[i] - 1].server_side;
    if (lost || !all_agree()) connect(i);
    clients_[i].time_out();
  }
  bool busy = true;
  for (int turn = 0; busy && turn < kHealTurns; ++turn) {  // a client that asks for ever is a violation, not a hang
    busy = false;
    for (ConnectionId id = 1; id <= connections_.size(); ++id) {
      for (int i = 0; i < kHealTurns && deliver_up(id); ++i) busy = true;
    }
    while (home_->has_submitted()) home_->commit(4, false);
    while (home_->has_results()) home_->deliver_results(4);
    for (ConnectionId id = 1; id <= connections_.size(); ++id) {
      for (int i = 0; i < kHealTurns && deliver_down(id, true); ++i) busy = true;
    }
  }
  return all_agree();
}

std::vector<std::string> World::run() {
  for (std::size_t i = 0; i < clients_.size(); ++i) connect(i);
  for (std::size_t i = 0; i < kSteps; ++i) step();
  bool healed = false;
  for (int round = 0; round < 20 && !healed; ++round) healed = heal_once();

  std::vector<std::string> out;
  if (!healed) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (dead_.contains(i)) continue;
      const ClientModel& c = clients_[i];
      out.push_back(c.name() + " does not come to rest: cursor " + std::to_string(c.cursor()) + ", " +
                    std::to_string(c.outbox().size()) + " unanswered; head " + std::to_string(journal_.meta().head));
    }
  }
  for (const ClientModel& c : clients_) {
    for (const std::string& complaint : c.complaints()) out.push_back(c.name() + ": " + complaint);
  }
  check_store(out);
  check_answers(out);
  check_views(out);
  check_legality(out);
  counters_.entries = journal_.entries().size();
  return out;
}

void World::check_store(std::vector<std::string>& out) const {
  std::map<SendId, std::uint64_t> seq_of;
  std::map<std::pair<Principal, DevId>, std::uint64_t> last_n;
  std::map<SendId, Send> issued(issued_.begin(), issued_.end());
  for (std::size_t i = 0; i < journal_.items().size(); ++i) {
    const Item& item = journal_.items()[i];
    const Entry& entry = journal_.entries()[i];
    const SendId id{item.actor.who, item.send.dev, item.send.n};
    if (!seq_of.emplace(id, entry.seq).second) out.push_back("stored twice: " + show(entry));
    std::uint64_t& last = last_n[{item.actor.who, item.send.dev}];
    if (item.send.n <= last) out.push_back("behind a later n of its sender: " + show(entry));
    last = item.send.n;
    auto sent = issued.find(id);
    if (sent == issued.end() || sent->second.body != item.send.body)
      out.push_back("never sent like this: " + show(entry));
    if (entry.seq != i + 1) out.push_back("not gapless: " + show(entry));
  }
}

void World::check_answers(std::vector<std::string>& out) const {
  std::map<SendId, std::uint64_t> seq_of;
  for (const Entry& entry : journal_.entries()) seq_of.try_emplace({entry.from, entry.dev, entry.n}, entry.seq);
  for (const ClientModel& client : clients_) {
    for (const auto& [key, answer] : client.answers()) {
      const auto stored = seq_of.find({client.actor().who, key.first, key.second});
      const std::string what = client.name() + " n " + std::to_string(key.second);
      if (answer.seq != 0 && stored == seq_of.end()) {
        out.push_back(what + " was acknowledged as " + std::to_string(answer.seq) + " and is lost");
      } else if (answer.seq != 0 && stored->second != answer.seq) {
        out.push_back(what + " was acknowledged as " + std::to_string(answer.seq) + " and stands at " +
                      std::to_string(stored->second));
      } else if (answer.seq == 0 && stored != seq_of.end()) {
        out.push_back(what + (answer.code == Code::kOk ? " was given up" : " was refused") + " and stands at " +
                      std::to_string(stored->second));
      }
    }
  }
}

void World::check_views(std::vector<std::string>& out) const {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const ClientModel& client = clients_[i];
    if (dead_.contains(i)) continue;
    std::vector<Entry> want = journal_.read(0, journal_.entries().size(), i >= kTabs);
    auto have = client.view().begin();
    for (Entry& entry : want) {
      if (have == client.view().end()) {
        out.push_back(client.name() + " misses " + show(entry));
        break;
      }
      entry.skip = have->second.skip;  // depends on how it came
      if (!(have->second == entry)) {
        out.push_back(client.name() + " shows " + show(have->second) + " for " + show(entry));
        break;
      }
      ++have;
    }
    if (have != client.view().end())
      out.push_back(client.name() + " shows what is not there for it: " + show(have->second));
  }
}

void World::check_legality(std::vector<std::string>& out) const {
  domain::ConversationMeta meta;
  for (std::size_t i = 0; i < journal_.items().size(); ++i) {
    const Item& item = journal_.items()[i];
    const domain::Verdict verdict =
        domain::decide(meta, item.actor, item.kind, item.send.to, item.ts_ns, HomeModel::kReopenWindowNs);
    const bool same = verdict.change.status == item.change.status && verdict.change.assignee == item.change.assignee &&
                      verdict.change.new_claim == item.change.new_claim;
    if (verdict.code != Code::kOk || !same) out.push_back("not allowed at its place: " + show(journal_.entries()[i]));
    if (item.send.if_claim && *item.send.if_claim != meta.claim)
      out.push_back("its condition did not hold: " + show(journal_.entries()[i]));
    domain::apply(meta, {.type = item.kind,
                         .audience = item.audience,
                         .from = item.actor.who,
                         .seq = i + 1,
                         .ts_ns = item.ts_ns,
                         .change = item.change,
                         .target = item.send.target});
  }
}

}  // namespace parley::sim
