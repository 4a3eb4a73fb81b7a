#include "protocol/json_writer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>

namespace parley::protocol {
namespace {

template <class T>
std::string written(T value) {
  std::string out;
  JsonWriter(out).num(value);
  return out;
}

TEST(JsonWriter, WritesNumbersOfEveryLength) {
  std::uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits, power *= 10) {
    for (const std::uint64_t value : {power - 1, power, power + 1, 9 * power, 5 * power + 5}) {
      EXPECT_EQ(written(value), std::to_string(value));
    }
  }
  std::mt19937_64 random(5);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    ASSERT_EQ(written(value), std::to_string(value));
  }
  EXPECT_EQ(written(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
}

TEST(JsonWriter, WritesNegativeNumbers) {
  EXPECT_EQ(written(std::int64_t{-1}), "-1");
  EXPECT_EQ(written(-1'700'000'000'123), "-1700000000123");
  EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(written(std::int64_t{0}), "0");
  EXPECT_EQ(written(404), "404");
}

TEST(JsonWriter, KeepsTheOrderOfSmallAndLargePieces) {
  std::string out = "[", expected = "[";
  {
    JsonWriter writer(out);
    for (std::size_t i = 0; i < 100; ++i) {
      const std::string piece(i * 13 % 700, static_cast<char>('a' + i % 26));
      writer.num(i).raw(piece).ch(',');
      expected += std::to_string(i) + piece + ',';
    }
  }
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace parley::protocol
