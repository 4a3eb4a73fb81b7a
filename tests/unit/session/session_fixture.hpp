#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "parley/base/clock.hpp"
#include "parley/session/service.hpp"
#include "parley/store/repositories.hpp"
#include "parley/store/sqlite_store.hpp"
#include "unit/store/faulty_database.hpp"
#include "unit/store/store_fixture.hpp"

/// What the tests of the chat share: the real service over a real store, connections that are only memory, and a
/// journal that fails when asked to.
namespace parley::session::test {

using namespace std::chrono_literals;
using nlohmann::json;
using store::Role;

inline constexpr auto kPatience = 10s;  // of every wait; nothing here takes that long unless something is wrong
inline constexpr TenantId kTenant{11};
inline constexpr ChannelId kSite{21}, kApp{22};
inline constexpr AgentId kAnn{41}, kBob{42}, kSue{43};

/// Passes everything on to the real one, until it is told otherwise.
class FaultyJournal final : public store::Journal {
 public:
  explicit FaultyJournal(store::Journal& real) : real_(real) {}

  void refuse_submits(bool on) { refuse_ = on; }      ///< as if its queue were full
  void fail_with(store::Code code) { fail_ = code; }  ///< every item of a batch gets this; kOk: no more
  void fail_reads(bool on) { fail_reads_ = on; }
  /// Keeps batches until release(), which hands them on in order.
  void hold() {
    std::lock_guard lock(mutex_);
    holding_ = true;
  }
  void release() {
    std::vector<std::pair<Reactor*, std::shared_ptr<Held>>> held;
    {
      std::lock_guard lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (auto& [home, batch] : held)
      home->post([this, batch = batch] { pass(std::move(batch->items), std::move(batch->done)); });
  }
  /// From now on batches are passed on; those that are held stay.
  void pass_others() {
    std::lock_guard lock(mutex_);
    holding_ = false;
  }
  /// Answers the oldest batch that is held with `code`; the others stay.
  void fail_first_batch(store::Code code) {
    std::lock_guard lock(mutex_);
    auto [home, batch] = std::move(held_.front());
    held_.erase(held_.begin());
    refuse_later(*home, batch->items.size(), code, std::move(batch->done));
  }
  /// They will never be answered.
  void forget_held() {
    std::lock_guard lock(mutex_);
    held_.clear();
  }
  std::size_t held_batches() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  void hold_loads(bool on) { hold_loads_ = on; }
  /// The next read after a seq (lists read the newest) answers after release_read(), with what it finds at once.
  void hold_next_read() { hold_next_read_ = true; }
  bool holds_read() const { return held_reads_ > 0; }
  void release_read() { held_reads_ = 0; }
  /// From now on entries are stable only after archive(), as in a store that archives later.
  void archive_later() { archive_later_ = true; }
  void archive(Reactor& home, ConversationId conv, std::uint64_t upto) {
    home.post([this, conv, upto] {
      archived_[conv] = upto;
      OnStable handler;
      {
        std::lock_guard lock(mutex_);
        handler = on_stable_[Reactor::current()];
      }
      const std::pair head(conv, upto);
      handler({&head, 1});
    });
  }

  bool submit(std::vector<store::Append>&& batch, OnAppended done) override {
    if (refuse_) return false;
    {
      std::lock_guard lock(mutex_);
      if (holding_) {
        held_.emplace_back(Reactor::current(), std::make_shared<Held>(Held{std::move(batch), std::move(done)}));
        return true;
      }
    }
    return pass(std::move(batch), std::move(done));
  }
  asio::awaitable<Result<std::optional<store::ConversationState>>> load(ConversationId conv) override {
    while (hold_loads_) {
      asio::steady_timer pause(Reactor::current()->context(), 1ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    if (fail_reads_) co_return Error(Errc::kUnavailable, "told to fail");
    Result<std::optional<store::ConversationState>> state = co_await real_.load(conv);
    co_return state;
  }
  asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(ChannelId channel,
                                                                         VisitorId visitor) override {
    return real_.find_by_visitor(channel, visitor);
  }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(TenantId tenant) override {
    return real_.open_conversations(tenant);
  }
  asio::awaitable<Result<Page>> read(ConversationId conv, Range range) override {
    if (fail_reads_) co_return Error(Errc::kUnavailable, "told to fail");
    const bool held = range.after && hold_next_read_.exchange(false);
    Result<Page> page = co_await real_.read(conv, range);
    if (held) ++held_reads_;
    while (held && held_reads_ > 0) {
      asio::steady_timer pause(Reactor::current()->context(), 1ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    co_return page;
  }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> closed_conversations(TenantId tenant,
                                                                                      std::uint64_t before,
                                                                                      unsigned limit) override {
    return real_.closed_conversations(tenant, before, limit);
  }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> changed_conversations(TenantId tenant,
                                                                                       std::uint64_t since,
                                                                                       unsigned limit) override {
    return real_.changed_conversations(tenant, since, limit);
  }
  void save_marks(std::vector<Mark> marks) override { real_.save_marks(std::move(marks)); }
  asio::awaitable<Result<std::vector<Mark>>> load_marks(ConversationId conv) override { return real_.load_marks(conv); }
  void pretend_queued(std::size_t items) { queued_ = items; }
  Health health() const override {
    Health health = real_.health();
    health.queued += queued_;
    return health;
  }
  void on_stable(OnStable handler) override {
    std::lock_guard lock(mutex_);
    on_stable_[Reactor::current()] = std::move(handler);
  }
  std::uint64_t stable(ConversationId conv, std::uint64_t head) const override {
    if (!archive_later_) return head;
    const auto known = archived_.find(conv);
    return known == archived_.end() ? 0 : std::min(head, known->second);
  }

 private:
  struct Held {
    std::vector<store::Append> items;
    OnAppended done;
  };
  bool pass(std::vector<store::Append>&& batch, OnAppended done) {
    const store::Code code = fail_;
    if (code == store::Code::kOk) {
      return real_.submit(std::move(batch), [this, done = std::move(done)](std::span<Answer> answers) {
        if (archive_later_) {
          for (Answer& answer : answers) answer.result.stable = 0;
        }
        done(answers);
      });
    }
    refuse_later(*Reactor::current(), batch.size(), code, std::move(done));
    return true;
  }
  static void refuse_later(Reactor& home, std::size_t items, store::Code code, OnAppended done) {
    std::vector<Answer> answers(items);
    for (std::size_t i = 0; i < items; ++i) {
      answers[i].index = i;
      answers[i].result.code = code;
    }
    home.post([done = std::move(done), answers = std::move(answers)]() mutable { done(answers); });
  }

  store::Journal& real_;
  std::atomic<bool> refuse_{false}, fail_reads_{false}, hold_loads_{false}, hold_next_read_{false};
  std::atomic<int> held_reads_{0};
  std::atomic<store::Code> fail_{store::Code::kOk};
  mutable std::mutex mutex_;
  bool holding_ = false;
  std::vector<std::pair<Reactor*, std::shared_ptr<Held>>> held_;
  std::atomic<std::size_t> queued_{0};
  std::atomic<bool> archive_later_{false};
  std::unordered_map<ConversationId, std::uint64_t> archived_;  // of the one reactor that tests of it use
  std::unordered_map<Reactor*, OnStable> on_stable_;
};

/// Bearer "a:<agent id>" is that agent; "disabled" is somebody of a disabled tenant, "down" finds the store down.
class KnownAgents final : public IdentitySource {
 public:
  std::map<std::string, AgentIdentity> by_token;
  asio::awaitable<Result<AgentIdentity>> by_cookie(std::string cookie) override { return by_bearer(std::move(cookie)); }
  asio::awaitable<Result<AgentIdentity>> by_bearer(std::string token) override {
    if (token == "disabled") co_return Error(Errc::kForbidden);
    if (token == "down") co_return Error(Errc::kUnavailable);
    auto found = by_token.find(token);
    if (found == by_token.end()) co_return Error(Errc::kUnauthenticated);
    co_return found->second;
  }
};

/// A connection without a network. The test's thread says and waits; everything else happens on its reactor.
class FakePeer final : public Peer {
 public:
  FakePeer(Reactor& home, PeerInfo info) : home_(&home), info_(std::move(info)) {}

  // --- the test's side
  void say(const json& frame) { say_text(frame.dump()); }
  void say_text(std::string text) {
    {
      std::lock_guard lock(mutex_);
      inbox_.push_back(std::move(text));
    }
    wake();
  }
  void cut() {
    cut_ = true;
    wake();
  }
  /// From now on frames are counted, not kept.
  void count_only() { counts_only_ = true; }
  std::size_t counted() const { return counted_; }
  /// On its reactor; ws::kPadding bytes behind it are readable.
  void hear(std::span<char> text) { handler_->on_message(text); }
  /// What is sent stays in the queue until drain().
  void stall() { stalled_ = true; }
  void drain() {
    Reactor& reactor = *home_;
    reactor.post([this] {
      stalled_ = false;
      queued_ = 0;
      if (handler_) handler_->on_drained();
    });
  }
  /// The oldest frame not taken yet that fits; waits for it.
  json take(const std::string& type, const std::function<bool(const json&)>& fits = {}) {
    std::unique_lock lock(mutex_);
    json found;
    const bool there = changed_.wait_for(lock, kPatience, [&] {
      for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (taken_[i] || frames_[i].value("t", "") != type || (fits && !fits(frames_[i]))) continue;
        taken_[i] = true;
        found = frames_[i];
        return true;
      }
      return false;
    });
    if (!there) {
      std::string seen;
      for (std::size_t i = 0; i < frames_.size(); ++i) seen += (taken_[i] ? "  " : "! ") + frames_[i].dump() + "\n";
      ADD_FAILURE() << "no frame \"" << type << "\" came; close code " << close_code_ << "; those that did:\n" << seen;
      return json::object();
    }
    return found;
  }
  json reply_to(std::uint64_t id) {
    std::unique_lock lock(mutex_);
    json found = json::object();
    const bool there = changed_.wait_for(lock, kPatience, [&] {
      for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (taken_[i] || frames_[i].value("re", std::uint64_t{0}) != id) continue;
        taken_[i] = true;
        found = frames_[i];
        return true;
      }
      return false;
    });
    EXPECT_TRUE(there) << "nothing answers " << id << "; close code " << close_code_;
    return found;
  }
  /// All that was sent to it so far by its own reactor is here.
  void settle() {
    const std::uint64_t id = next_id();
    say({{"t", "probe"}, {"id", id}});
    reply_to(id);
  }
  std::vector<json> all(const std::string& type) const {
    std::lock_guard lock(mutex_);
    std::vector<json> found;
    for (const json& frame : frames_) {
      if (frame.value("t", "") == type) found.push_back(frame);
    }
    return found;
  }
  std::string every_byte() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }
  /// The code it was closed with; waits for it.
  int closed_with() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return close_code_ != 0; });
    return close_code_;
  }
  bool is_closed() const {
    std::lock_guard lock(mutex_);
    return close_code_ != 0;
  }
  std::uint64_t next_id() { return ++last_id_; }

  // --- Peer
  const PeerInfo& info() const override { return info_; }
  Reactor& home() const override { return *home_; }
  void set_handler(PeerHandler* handler) override {
    handler_ = handler;
    if (handler) wake();
  }
  void send(FramePtr frame) override {
    if (gone_) return;
    if (counts_only_) {
      ++counted_;
      return;
    }
    const auto second = static_cast<unsigned char>(frame->bytes()[1]);
    const std::string payload(frame->bytes().substr(second < 126 ? 2 : second == 126 ? 4 : 10));
    if (stalled_) queued_ = queued_ + frame->size();
    std::lock_guard lock(mutex_);
    bytes_ += payload;
    const json message = json::parse(payload);
    for (const json& one : message.is_array() ? message : json::array({message})) {
      frames_.push_back(one);
      taken_.push_back(false);
    }
    changed_.notify_all();
  }
  std::size_t queued_bytes() const override { return queued_; }
  void close(protocol::CloseCode code) override {
    {
      std::lock_guard lock(mutex_);
      if (close_code_ == 0) close_code_ = static_cast<int>(code);
      changed_.notify_all();
    }
    cut();
  }
  void move_to(Reactor& target, std::function<void(Peer&)> then) override {
    handler_ = nullptr;
    home_ = &target;  // at once, so that a pump() still waiting on the old reactor leaves it alone
    target.post([this, then = std::move(then)] {
      then(*this);
      pump();
    });
  }

 private:
  void wake() {
    Reactor& reactor = *home_;
    reactor.post([this] { pump(); });
  }
  void pump() {
    // It may have moved before this, or move within on_message(); there it is woken again.
    while (home().is_home() && handler_ && !gone_) {
      std::string text;
      {
        std::lock_guard lock(mutex_);
        if (inbox_.empty() || close_code_ != 0) break;
        text = std::move(inbox_.front());
        inbox_.pop_front();
      }
      const std::size_t size = text.size();
      text.resize(size + 64);  // the decoder may read behind the end
      handler_->on_message({text.data(), size});
    }
    if (home().is_home() && cut_ && handler_ && !gone_) {
      gone_ = true;
      PeerHandler* handler = std::exchange(handler_, nullptr);
      handler->on_closed(1006);
    }
  }

  std::atomic<Reactor*> home_;
  PeerInfo info_;
  PeerHandler* handler_ = nullptr;
  bool gone_ = false;
  std::atomic<bool> cut_{false}, stalled_{false}, counts_only_{false};
  std::atomic<std::size_t> counted_{0};
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::uint64_t> last_id_{1000};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> inbox_;
  std::vector<json> frames_;
  std::vector<bool> taken_;
  std::string bytes_;
  int close_code_ = 0;
};

/// Somebody at the other end: a peer, a dev and a counter per conversation.
struct Client {
  FakePeer* peer = nullptr;
  std::string dev;
  json ready;
  std::map<std::string, std::uint64_t> counters;

  std::string conv() const { return ready["conv"]["conv"]; }
  /// Sends without waiting; returns the id of the request.
  std::uint64_t post(const std::string& to, const std::string& type, const json& body = json::object(),
                     std::uint64_t n = 0, const json& more = json::object()) {
    const std::uint64_t id = peer->next_id();
    json frame = {{"t", "send"},  {"id", id},    {"conv", to}, {"n", n ? n : ++counters[to]},
                  {"type", type}, {"body", body}};
    frame.update(more);
    peer->say(frame);
    return id;
  }
  /// Sends and waits for the answer.
  json send(const std::string& to, const std::string& type, const json& body = json::object(), std::uint64_t n = 0,
            const json& more = json::object()) {
    return peer->reply_to(post(to, type, body, n, more));
  }
  json text(const std::string& words) { return send(conv(), "text", {{"text", words}}); }
  json ask(json frame) {
    const std::uint64_t id = peer->next_id();
    frame["id"] = id;
    peer->say(frame);
    return peer->reply_to(id);
  }
  json entry(const std::string& words) {
    return peer->take("entry",
                      [&](const json& e) { return e.contains("body") && e["body"].value("text", "") == words; });
  }
  std::vector<std::uint64_t> seqs(const std::string& of) const {
    std::vector<std::uint64_t> found;
    for (const json& e : peer->all("entry")) {
      if (e["conv"] == of) found.push_back(e["seq"]);
    }
    return found;
  }
};

class ChatTest : public ::testing::Test {
 protected:
  std::size_t reactors_wanted = 1;
  config::Settings settings;

  ChatTest() : signer(std::string(tenant::TokenSigner::kKeyBytes, 'k')) {
    settings.session.visitor_send_burst = settings.session.agent_send_burst = 1000;
    open();
    for (const AgentId agent : {kAnn, kBob, kSue}) {
      const Role role = agent == kSue ? Role::kSupervisor : Role::kAgent;
      agents.by_token["a:" + agent.str()] = {kTenant, agent, name_of(agent), role};
    }
    fill();
  }
  ~ChatTest() override { stop(); }

  static std::string name_of(AgentId agent) { return agent == kAnn ? "Ann" : agent == kBob ? "Bob" : "Sue"; }

  void start() {
    for (std::size_t i = 0; i < reactors_wanted; ++i)
      reactors.push_back(std::make_unique<Reactor>("r" + std::to_string(i)));
    ServiceDeps deps{{},
                     *journal,
                     *database,
                     signer,
                     agents,
                     *cpu,
                     settings,
                     *metrics,
                     sqlite->snowflake_floor_ms(),
                     [this](std::int64_t ms) { sqlite->reserve_snowflakes(ms); }};
    for (auto& reactor : reactors) deps.reactors.push_back(reactor.get());
    service = make_service(std::move(deps));
    for (auto& reactor : reactors) reactor->start();
  }
  void stop() {
    for (auto& reactor : reactors) reactor->stop();
    for (auto& reactor : reactors) reactor->join();
    // What still answers does so to reactors that are there.
    if (cpu) cpu->stop();
    if (sqlite) sqlite->stop();
    service.reset();
    reactors.clear();
    peers.clear();
    journal.reset();
    database.reset();
    sqlite.reset();
    cpu.reset();
  }
  /// As after a restart of the daemon.
  void restart() {
    stop();
    metrics = std::make_unique<obs::Registry>();
    open();
    start();
  }

  /// Runs `work` in the database, before the service starts or beside it.
  void write(std::function<void(store::Sql&)> work) {
    store::test::Home home;
    auto done = home.run<Result<>>([this, work] {
      auto job = [work](store::Sql& sql) -> Result<> {
        work(sql);
        return {};
      };
      return sqlite->database().write(job);
    });
    ASSERT_TRUE(done) << done.error().detail;
  }

  FakePeer& connect(PeerInfo info = {}, std::size_t reactor = 0) {
    info.connection = peers.size() + 1;
    peers.push_back(std::make_unique<FakePeer>(*reactors[reactor], std::move(info)));
    FakePeer& peer = *peers.back();
    reactors[reactor]->post([this, &peer] { service->on_peer(peer); });
    return peer;
  }
  static PeerInfo own_page() {
    PeerInfo info;
    info.origin = "http://chat.example";
    info.own_origin = true;
    return info;
  }
  std::string visitor_token(VisitorId visitor, ChannelId site = kSite, std::int64_t seconds = 900,
                            TenantId tenant = kTenant) {
    tenant::VisitorClaims claims;
    claims.tenant = tenant;
    claims.channel = site;
    claims.visitor = visitor;
    claims.expires_s = wall_ns() / 1'000'000'000 + seconds;
    return signer.seal_access(claims);
  }
  json visitor_hello(VisitorId visitor, const std::string& dev) {
    return {{"t", "hello"}, {"id", 1}, {"ver", 1}, {"role", "visitor"}, {"token", visitor_token(visitor)},
            {"dev", dev}};
  }
  json agent_hello(AgentId agent, const std::string& dev) {
    return {{"t", "hello"}, {"id", 1}, {"ver", 1}, {"role", "agent"}, {"token", "a:" + agent.str()}, {"dev", dev}};
  }
  std::string new_dev() { return store::test::dev(++devs).str(); }

  Client enter(const json& hello, std::size_t reactor = 0) {
    Client client;
    client.dev = hello["dev"];
    client.peer = &connect(own_page(), reactor);
    client.peer->say(hello);
    client.ready = client.peer->reply_to(1);
    EXPECT_EQ(client.ready.value("t", ""), "ready") << client.ready;
    return client;
  }
  Client visitor(std::uint64_t id, std::size_t reactor = 0, const json& more = json::object()) {
    json hello = visitor_hello(VisitorId{id}, new_dev());
    hello.update(more);
    return enter(hello, reactor);
  }
  Client agent(AgentId id, std::size_t reactor = 0, const json& more = json::object()) {
    json hello = agent_hello(id, new_dev());
    hello.update(more);
    return enter(hello, reactor);
  }
  /// Listens to a conversation from its beginning.
  void watch(Client& agent, const std::string& conv) {
    EXPECT_EQ(agent.ask({{"t", "watch"}, {"conv", conv}})["state"], "ok");
  }
  int close_code_of(const json& hello, PeerInfo info = own_page(), std::size_t reactor = 0) {
    FakePeer& peer = connect(std::move(info), reactor);
    peer.say(hello);
    return peer.closed_with();
  }
  std::uint64_t messages_out() {
    return metrics->counter("parley_session_messages_out_total", "Entries handed to sessions, one per receiver.")
        .value();
  }
  static bool eventually(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }

  store::test::TempFolder folder;
  tenant::TokenSigner signer;
  std::unique_ptr<Worker> cpu;
  KnownAgents agents;
  std::unique_ptr<obs::Registry> metrics = std::make_unique<obs::Registry>();
  std::unique_ptr<store::Store> sqlite;
  std::unique_ptr<store::test::FaultyDatabase> database;
  std::unique_ptr<FaultyJournal> journal;
  std::vector<std::unique_ptr<Reactor>> reactors;
  std::unique_ptr<Service> service;
  std::vector<std::unique_ptr<FakePeer>> peers;
  std::uint8_t devs = 0;

 private:
  void open() {
    store::SqliteOptions options;
    options.folder = folder.path() / "data";
    sqlite = store::open_sqlite_store(options);
    database = std::make_unique<store::test::FaultyDatabase>(sqlite->database());
    journal = std::make_unique<FaultyJournal>(sqlite->journal());
    cpu = std::make_unique<Worker>("cpu", 1, 64);
  }
  void fill() {
    write([](store::Sql& sql) {
      store::Tenant tenant;
      tenant.id = kTenant;
      tenant.slug = "demo";
      tenant.name = "Demo";
      store::tenants::insert(sql, tenant);
      for (const AgentId id : {kAnn, kBob, kSue}) {
        store::Account account;
        account.id = AccountId{id.value + 100};
        account.email = name_of(id) + "@example.com";
        account.password_hash = "x";
        store::accounts::insert(sql, account);
        store::Agent agent;
        agent.id = id;
        agent.tenant = kTenant;
        agent.account = account.id;
        agent.display_name = name_of(id);
        agent.role = id == kSue ? Role::kSupervisor : Role::kAgent;
        store::agents::insert(sql, agent);
      }
      store::Channel site;
      site.id = kSite;
      site.tenant = kTenant;
      site.name = "Shop";
      site.public_key = "pk_site";
      site.allowed_origins = {"https://shop.example"};
      store::channels::insert(sql, site);
      site.id = kApp;
      site.kind = "app";
      site.public_key = "pk_app";
      store::channels::insert(sql, site);
    });
  }
};

}  // namespace parley::session::test
