#include "parley/obs/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <sstream>
#include <thread>

namespace parley::obs {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Counter, AddsUpOverThreads) {
  Registry registry;
  Counter& hits = registry.counter("parley_test_hits_total", "Hits.");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) hits.add();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(hits.value(), 80000u);
  EXPECT_THAT(registry.scrape(), HasSubstr("\nparley_test_hits_total 80000\n"));
}

TEST(Counter, ThreadsBeyondTheShardsShareThem) {
  Counter counter;
  for (std::size_t i = 0; i < kShards * 3; ++i) std::thread([&] { counter.add(2); }).join();
  EXPECT_EQ(counter.value(), kShards * 6);
}

TEST(Histogram, PutsAValueIntoTheFirstBucketThatHoldsIt) {
  Histogram histogram({0.1, 1});
  histogram.observe(0.1);  // a bound belongs to its own bucket
  histogram.observe(0.5);
  histogram.observe(7);
  histogram.observe(-1);
  histogram.observe(std::chrono::milliseconds(200));
  histogram.observe(std::numeric_limits<double>::quiet_NaN());  // ignored, or the sum would be lost for ever
  auto value = histogram.value();
  EXPECT_EQ(value.buckets, (std::vector<std::uint64_t>{2, 2, 1}));
  EXPECT_EQ(value.count, 5u);
  EXPECT_DOUBLE_EQ(value.sum, 6.8);
}

TEST(Histogram, CountsEveryObservationOfEveryThread) {
  Histogram histogram(latency_bounds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) histogram.observe(0.5);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(histogram.value().count, 20000u);
  EXPECT_DOUBLE_EQ(histogram.value().sum, 10000.0);
}

TEST(Histogram, RefusesBoundsThatCannotWork) {
  EXPECT_THROW(Histogram({}), std::logic_error);
  EXPECT_THROW(Histogram({2, 1}), std::logic_error);
  EXPECT_THROW(Histogram({1, 1}), std::logic_error);
  EXPECT_THROW(Histogram(std::vector<double>(32, 1)), std::logic_error);
}

TEST(Histogram, LatencyBoundsGoFromTenMicrosecondsToTenSeconds) {
  auto bounds = latency_bounds();
  EXPECT_EQ(bounds.size(), 19u);
  EXPECT_DOUBLE_EQ(bounds.front(), 1e-5);
  EXPECT_DOUBLE_EQ(bounds.back(), 10);
}

TEST(Registry, SameNameAndLabelsGiveTheSameObjectInAnyOrder) {
  Registry registry;
  Counter& a = registry.counter("parley_x_total", "X.", {{"a", "1"}, {"b", "2"}});
  Counter& b = registry.counter("parley_x_total", "X.", {{"b", "2"}, {"a", "1"}});
  Counter& c = registry.counter("parley_x_total", "X.", {{"a", "1"}, {"b", "3"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
}

TEST(Registry, RefusesADeclarationThatContradictsAnEarlierOne) {
  Registry registry;
  registry.gauge("parley_sessions", "Sessions.", {{"role", "agent"}});
  registry.histogram("parley_wait_seconds", "Wait.", {}, {1, 2});
  registry.gauge_callback("parley_queue_items", "Queue.", {}, [] { return 1.0; });
  EXPECT_THROW(registry.gauge("parley_sessions", "Other help.", {{"role", "agent"}}), std::logic_error);
  EXPECT_THROW(registry.histogram("parley_sessions", "Sessions."), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_sessions", "Sessions.", {{"kind", "agent"}}), std::logic_error);
  EXPECT_THROW(registry.gauge_callback("parley_sessions", "Sessions.", {{"role", "agent"}}, [] { return 0.0; }),
               std::logic_error);
  EXPECT_THROW(registry.gauge("parley_queue_items", "Queue."), std::logic_error);
  EXPECT_THROW(registry.gauge_family("parley_sessions", "Sessions.", {}), std::logic_error);
  EXPECT_THROW(registry.histogram("parley_wait_seconds", "Wait.", {}, {1, 3}), std::logic_error);
}

TEST(Registry, RefusesNamesPrometheusWouldNotTake) {
  Registry registry;
  EXPECT_THROW(registry.counter("parley_hits", "A counter without its suffix."), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits_total", "A gauge with it."), std::logic_error);
  EXPECT_THROW(registry.gauge("parley-hits", "x"), std::logic_error);
  EXPECT_THROW(registry.gauge("", "x"), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits", ""), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits", "two\nlines"), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits", "x", {{"le", "1"}}), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits", "x", {{"a-b", "1"}}), std::logic_error);
  EXPECT_THROW(registry.gauge("parley_hits", "x", {{"a", "1"}, {"a", "2"}}), std::logic_error);
  EXPECT_TRUE(registry.families().empty()) << "a refused declaration leaves no trace";
}

TEST(Registry, AsksCallbacksAtEachScrapeAndLetsThemUseTheRegistry) {
  Registry registry;
  double depth = 3;
  registry.gauge_callback("parley_depth", "Depth.", {{"queue", "a"}}, [&] {
    registry.counter("parley_scrapes_total", "Scrapes.").add();  // would deadlock if the lock were held
    return depth;
  });
  registry.gauge_family("parley_tenant_sessions", "Sessions of a tenant.", [] {
    return std::vector<std::pair<Labels, double>>{{{{"tenant", "demo"}}, 4}, {{{"tenant", "other"}}, 5}};
  });
  EXPECT_THAT(registry.scrape(), HasSubstr("parley_depth{queue=\"a\"} 3\n"));
  depth = 8;
  std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("parley_depth{queue=\"a\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("parley_tenant_sessions{tenant=\"demo\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("parley_tenant_sessions{tenant=\"other\"} 5\n"));
  EXPECT_EQ(registry.counter("parley_scrapes_total", "Scrapes.").value(), 2u);
  registry.gauge_callback("parley_depth", "Depth.", {{"queue", "a"}}, [] { return 1.0; });
  EXPECT_THAT(registry.scrape(), HasSubstr("parley_depth{queue=\"a\"} 1\n"))
      << "a later callback takes the place of the first";
}

TEST(Registry, NamesItsFamiliesForTheDocumentation) {
  Registry registry;
  registry.histogram("parley_wait_seconds", "Wait.");
  registry.gauge("parley_sessions", "Sessions.");
  auto families = registry.families();
  EXPECT_EQ(families.at("parley_wait_seconds"), std::pair(std::string("histogram"), std::string("Wait.")));
  EXPECT_EQ(families.at("parley_sessions").first, "gauge");
}

TEST(Registry, ScrapesWhileOthersCountAndDeclare) {
  Registry registry;
  std::thread counting([&] {
    for (int i = 0; i < 5000; ++i) {
      registry.counter("parley_busy_total", "Busy.", {{"shard", std::to_string(i % 50)}}).add();
      registry.histogram("parley_busy_seconds", "Busy.").observe(0.001);
    }
  });
  for (int i = 0; i < 50; ++i) registry.scrape();
  counting.join();
  std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("parley_busy_total{shard=\"49\"} 100\n"));
  EXPECT_THAT(text, HasSubstr("parley_busy_seconds_count 5000\n"));
}

/// What a Prometheus server demands of the text format 0.0.4.
TEST(Registry, WritesTextThatPrometheusReads) {
  Registry registry;
  registry.counter("parley_hits_total", "Hits.", {{"path", "a\"b\\c\nd"}}).add(3);
  registry.gauge("parley_sessions", "Sessions.").set(-2.5);
  registry.histogram("parley_wait_seconds", "Wait.", {{"role", "agent"}}, {0.5, 1}).observe(0.7);
  registry.gauge_family("parley_empty", "A family without series.",
                        [] { return std::vector<std::pair<Labels, double>>{}; });
  std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr(R"(parley_hits_total{path="a\"b\\c\nd"} 3)"));
  EXPECT_THAT(text, HasSubstr("parley_sessions -2.5\n"));
  EXPECT_THAT(text, HasSubstr("parley_wait_seconds_bucket{role=\"agent\",le=\"0.5\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("parley_wait_seconds_bucket{role=\"agent\",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("parley_wait_seconds_bucket{role=\"agent\",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("parley_wait_seconds_count{role=\"agent\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("parley_empty")));
  EXPECT_TRUE(text.ends_with('\n'));
  const std::regex line(
      R"(# (HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+|TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram)))"
      R"(|[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)+\})? (-?[0-9.e+-]+|\+Inf|-Inf|Nan))");
  std::istringstream in(text);
  for (std::string row; std::getline(in, row);) EXPECT_TRUE(std::regex_match(row, line)) << row;
}

}  // namespace
}  // namespace parley::obs
