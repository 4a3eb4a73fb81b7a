#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "world.hpp"

namespace parley::sim {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string report(const std::vector<std::string>& violations, const World& world) {
  std::string out = "replay with " + world.story();
  for (const std::string& violation : violations) out += "violated: " + violation + "\n";
  return out;
}

TEST(Sim, ThousandsOfSchedulesLoseDoubleAndReorderNothing) {
  const std::uint64_t only = from_environment("PARLEY_SIM_SEED", 0);
  const std::uint64_t schedules = only != 0 ? 1 : from_environment("PARLEY_SIM_SCHEDULES", 20000);
  World::Counters sum;
  for (std::uint64_t i = 0; i < schedules; ++i) {
    World world(only != 0 ? only : i + 1, {});
    const std::vector<std::string> violations = world.run();
    ASSERT_TRUE(violations.empty()) << report(violations, world);
    const World::Counters& c = world.counters();
    sum.entries += c.entries;
    sum.crashes += c.crashes;
    sum.breaks += c.breaks;
    sum.repeats += c.repeats;
    sum.refusals += c.refusals;
    sum.voids += c.voids;
    sum.notes += c.notes;
  }
  if (only != 0) return;
  // Schedules in which nothing happens prove nothing.
  EXPECT_GT(sum.entries, schedules * 8);
  EXPECT_GT(sum.crashes, schedules);
  EXPECT_GT(sum.breaks, schedules);
  EXPECT_GT(sum.repeats, schedules);
  EXPECT_GT(sum.refusals, schedules);
  EXPECT_GT(sum.voids, schedules / 2);
  EXPECT_GT(sum.notes, schedules / 2);
}

TEST(Sim, TheSameSeedTellsTheSameStory) {
  World one(4711, {}), two(4711, {});
  one.run();
  two.run();
  EXPECT_EQ(one.story(), two.story());
  EXPECT_NE(one.story().find("stored: seq 1 "), std::string::npos);
}

struct Mistake {
  const char* name;
  Flaws flaws;
  const char* symptom;  ///< part of at least one violation
};

class SimNotices : public ::testing::TestWithParam<Mistake> {};

TEST_P(SimNotices, TheMistake) {
  std::string all;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    World world(seed, GetParam().flaws);
    for (const std::string& violation : world.run()) {
      if (violation.find(GetParam().symptom) != std::string::npos) return;
      if (all.size() < 2000) all += violation + "\n";
    }
  }
  FAIL() << "3000 schedules did not show \"" << GetParam().symptom << "\"; they showed:\n" << all;
}

INSTANTIATE_TEST_SUITE_P(
    Flaws, SimNotices,
    ::testing::Values(Mistake{"SkipDedup", {.skip_dedup = true}, "stored twice"},
                      Mistake{"AckBeforeStore", {.ack_before_store = true}, "and is lost"},
                      Mistake{"DedupAfterStages", {.dedup_after_stages = true}, "was refused and stands at"},
                      Mistake{"DecideOnCommitted", {.decide_on_committed = true}, "not allowed at its place"},
                      Mistake{"DecideOnRefused", {.decide_on_refused = true}, "not allowed at its place"},
                      Mistake{"AnswerVoidAsNew", {.answer_void_as_new = true}, "was given up and stands at"},
                      Mistake{"ForgetSkip", {.forget_skip = true}, "does not come to rest"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace parley::sim
