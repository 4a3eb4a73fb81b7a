#pragma once
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/store/store.hpp"

/// What tests of any store need: a reactor to ask from, calls that wait, and items to append.
namespace parley::store::test {

/// A reactor with its own thread; run() starts a coroutine there and waits for what it returns.
class Home {
 public:
  Home() { reactor_.start(); }
  ~Home() {
    reactor_.stop();
    reactor_.join();
  }
  Reactor& reactor() { return reactor_; }

  template <class T>
  T run(std::function<asio::awaitable<T>()> work) {
    auto promise = std::make_shared<std::promise<T>>();
    std::future<T> result = promise->get_future();
    reactor_.post([this, promise, work = std::move(work)] { reactor_.spawn("test", keep(work, promise)); });
    if (result.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
      throw std::runtime_error("no answer within 20 s");
    return result.get();
  }

 private:
  template <class T>
  static asio::awaitable<void> keep(std::function<asio::awaitable<T>()> work,
                                    std::shared_ptr<std::promise<T>> promise) {
    T value = co_await work();
    promise->set_value(std::move(value));
  }
  Reactor reactor_{"test"};
};

/// submit() without waiting for the answers, only until the journal has taken or refused the batch.
inline std::future<std::vector<Appended>> submit(Home& home, Journal& journal, std::vector<Append> batch) {
  auto promise = std::make_shared<std::promise<std::vector<Appended>>>();
  std::future<std::vector<Appended>> result = promise->get_future();
  auto work = std::make_shared<std::vector<Append>>(std::move(batch));
  std::promise<void> handed_over;
  home.reactor().post([&home, &journal, work, promise, &handed_over] {
    struct Arrived {
      explicit Arrived(std::size_t items) : answers(items), is_there(items), missing(items) {}
      std::vector<Appended> answers;
      std::vector<bool> is_there;
      std::size_t missing = 0;
      bool submitting = true;
    };
    const std::size_t items = work->size();
    auto arrived = std::make_shared<Arrived>(items);
    const bool taken =
        journal.submit(std::move(*work), [promise, arrived, here = &home.reactor()](std::span<Journal::Answer> part) {
          EXPECT_FALSE(arrived->submitting) << "an answer inside submit()";
          EXPECT_EQ(Reactor::current(), here) << "an answer elsewhere";
          for (Journal::Answer& answer : part) {
            ASSERT_LT(answer.index, arrived->answers.size());
            ASSERT_FALSE(arrived->is_there[answer.index]) << "item " << answer.index << " is answered twice";
            arrived->is_there[answer.index] = true;
            arrived->answers[answer.index] = std::move(answer.result);
            if (--arrived->missing == 0) promise->set_value(std::move(arrived->answers));
          }
        });
    arrived->submitting = false;
    if (!taken) {
      Appended busy;
      busy.code = Code::kBusy;
      promise->set_value(std::vector<Appended>(items, busy));
    }
    handed_over.set_value();
  });
  handed_over.get_future().wait();
  return result;
}
/// Nothing if no answer came within `patience`, or the store ended without one.
inline std::optional<std::vector<Appended>> answer_of(std::future<std::vector<Appended>>& answers,
                                                      std::chrono::milliseconds patience) {
  if (answers.wait_for(patience) != std::future_status::ready) return std::nullopt;
  try {
    return answers.get();
  } catch (const std::future_error&) {
    return std::nullopt;
  }
}
inline std::vector<Appended> append(Home& home, Journal& journal, std::vector<Append> batch) {
  auto answers = submit(home, journal, std::move(batch));
  if (answers.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
    throw std::runtime_error("no answer within 20 s");
  return answers.get();
}
inline Appended append(Home& home, Journal& journal, Append item) {
  std::vector<Append> batch;
  batch.push_back(std::move(item));
  return append(home, journal, std::move(batch))[0];
}

inline constexpr TenantId kTenant{11};
inline constexpr ChannelId kChannel{21};
inline constexpr VisitorId kVisitor{31};
inline constexpr AgentId kAgent{41};
inline constexpr std::int64_t kNow = 1'763'715'600'000'000'000;

inline DevId dev(std::uint8_t number) {
  DevId id;
  id.bytes.fill(number);
  return id;
}

/// The n-th send of a visitor's tab; the hash is that of its text.
inline Append text(ConversationId conv, std::uint64_t n, const std::string& words,
                   Principal from = Principal::visitor(kVisitor), DevId tab = dev(1)) {
  Append item;
  item.kind = EntryType::kText;
  item.tenant = kTenant;
  item.conv = conv;
  item.id = MessageId{conv.value * 100'000 + tab.bytes[0] * 1000 + n};
  item.ts_ns = kNow + static_cast<std::int64_t>(n) * 1'000'000;
  item.principal = from;
  item.dev = tab;
  item.n = n;
  item.hash = std::hash<std::string>{}(words);
  item.bytes = "{\"text\":\"" + words + "\"}";
  item.text = words;
  return item;
}
inline Append opening(ConversationId conv, const std::string& words, VisitorId visitor = kVisitor) {
  Append item = text(conv, 1, words, Principal::visitor(visitor));
  item.change.status = protocol::Status::kWaiting;
  item.opening = Append::Opening{kChannel, visitor};
  return item;
}
inline Append by_agent(Append item, EntryType kind, std::string json, AgentId agent = kAgent) {
  item.kind = kind;
  item.principal = Principal::agent(agent);
  item.dev = dev(9);
  item.bytes = std::move(json);
  item.hash = std::hash<std::string>{}(item.bytes) + static_cast<unsigned>(kind);
  if (kind != EntryType::kText && kind != EntryType::kEdit && kind != EntryType::kClose) item.text.clear();
  if (kind == EntryType::kNote) item.audience = Audience::kInternal;
  return item;
}
inline Append note(ConversationId conv, std::uint64_t n, const std::string& words) {
  return by_agent(text(conv, n, words), EntryType::kNote, "{\"text\":\"" + words + "\"}");
}

inline std::optional<ConversationState> load(Home& home, Journal& journal, ConversationId conv) {
  auto state = home.run<Result<std::optional<ConversationState>>>([&journal, conv]() { return journal.load(conv); });
  if (!state) throw std::runtime_error("load: " + state.error().detail);
  return *state;
}
inline Journal::Page read(Home& home, Journal& journal, ConversationId conv, Journal::Range range) {
  auto page = home.run<Result<Journal::Page>>([&journal, conv, range]() { return journal.read(conv, range); });
  if (!page) throw std::runtime_error("read: " + page.error().detail);
  return *page;
}
/// All entries, by pages of 100.
inline std::vector<StoredEntry> read_all(Home& home, Journal& journal, ConversationId conv, bool internal = true) {
  std::vector<StoredEntry> all;
  Journal::Range range;
  range.after = 0;
  range.limit = 100;
  range.internal = internal;
  for (;;) {
    Journal::Page page = read(home, journal, conv, range);
    for (StoredEntry& entry : page.entries) all.push_back(std::move(entry));
    if (!page.more) return all;
    range.after = all.back().seq;
  }
}

}  // namespace parley::store::test
