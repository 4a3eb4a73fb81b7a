#include "parley/tenant/lockout.hpp"

#include <gtest/gtest.h>

namespace parley::tenant {
namespace {

using Ms = Lockout::Ms;
using namespace std::chrono_literals;
const Lockout::Time kStart{1000h};

TEST(Lockout, TheFirstFailuresAreFreeThenEachDoublesTheWait) {
  Lockout lockout;
  Lockout::Time now = kStart;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(lockout.failed("a", now), 0ms);
  EXPECT_EQ(lockout.wait("a", now), 0ms);
  for (const Ms expected : {1000ms, 2000ms, 4000ms, 8000ms}) {
    EXPECT_EQ(lockout.failed("a", now), expected);
    EXPECT_EQ(lockout.wait("a", now), expected);
    EXPECT_EQ(lockout.wait("a", now + expected - 1ms), 1ms);
    now += expected;
    EXPECT_EQ(lockout.wait("a", now), 0ms);
  }
}

TEST(Lockout, NeverAsksForMoreThanTheLongest) {
  Lockout lockout;
  Ms wait{0};
  for (int i = 0; i < 200; ++i) wait = lockout.failed("a", kStart);
  EXPECT_EQ(wait, 15min);
}

TEST(Lockout, KeysDoNotTouchEachOther) {
  Lockout lockout;
  for (int i = 0; i < 9; ++i) lockout.failed("a", kStart);
  EXPECT_GT(lockout.wait("a", kStart), 0ms);
  EXPECT_EQ(lockout.wait("b", kStart), 0ms);
  EXPECT_EQ(lockout.failed("b", kStart), 0ms);
}

TEST(Lockout, SuccessAndAQuietHourForgetEverything) {
  Lockout lockout;
  for (int i = 0; i < 6; ++i) lockout.failed("a", kStart);
  lockout.succeeded("a");
  EXPECT_EQ(lockout.failed("a", kStart), 0ms);
  for (int i = 0; i < 6; ++i) lockout.failed("b", kStart);
  EXPECT_EQ(lockout.failed("b", kStart + 59min), 2000ms) << "not forgotten yet";
  EXPECT_EQ(lockout.failed("b", kStart + 59min + 60min), 0ms);
}

TEST(Lockout, ATryThatWasTakenBackCostsNothing) {
  Lockout lockout;
  for (int i = 0; i < 6; ++i) lockout.failed("a", kStart);
  lockout.take_back("a");
  EXPECT_EQ(lockout.wait("a", kStart), 0ms);
  EXPECT_EQ(lockout.failed("a", kStart), 1000ms) << "the same wait as before, not the next one";
  lockout.failed("b", kStart);
  lockout.take_back("b");
  lockout.take_back("b");
  EXPECT_EQ(lockout.keys(), 1u);
}

TEST(Lockout, HoldsABoundedNumberOfKeysAndDropsTheQuietest) {
  Lockout lockout(Lockout::Policy{.free = 0, .keys_max = 3});
  lockout.failed("old", kStart);
  lockout.failed("b", kStart + 1s);
  lockout.failed("c", kStart + 2s);
  lockout.failed("d", kStart + 3s);
  EXPECT_EQ(lockout.keys(), 3u);
  EXPECT_EQ(lockout.failed("old", kStart + 3s), 1000ms) << "forgotten, so this counts as its first";
}

TEST(Lockout, OneHouseholdOfIpv6IsOneNetwork) {
  EXPECT_EQ(network_of("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
  EXPECT_NE(network_of("2001:db8:1:3::1"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of(""), "");
}

}  // namespace
}  // namespace parley::tenant
