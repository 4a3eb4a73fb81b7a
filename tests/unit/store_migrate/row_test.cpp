#include "migrate/row.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace parley::store::moving {
namespace {

TEST(CanonicalJson, IsTheSameForWhatPostgresGivesBack) {
  EXPECT_EQ(canonical_json(R"({"text":"你好","ref":null,"n":7})"),
            canonical_json(R"({"n": 7, "ref": null, "text": "你好"})"));
  EXPECT_EQ(canonical_json(R"({"a":1e2,"b":[1.5,2.0]})"), canonical_json(R"({"a": 100, "b": [1.5, 2]})"));
  EXPECT_EQ(canonical_json(R"({"t":"é\n"})"), canonical_json("{\"t\":\"\xc3\xa9\\n\"}"));
  EXPECT_NE(canonical_json(R"({"a":1})"), canonical_json(R"({"a":"1"})"));
}

TEST(CanonicalJson, RefusesWhatPostgresCannotKeep) {
  EXPECT_THROW(canonical_json("{"), std::runtime_error);
  EXPECT_THROW(canonical_json(R"({"t":"a\u0000b"})"), std::runtime_error);
  EXPECT_THROW(canonical_json(R"({"t":"\ud800"})"), std::runtime_error);
}

TEST(Canonical, GivesValuesTheTypeOfTheirColumn) {
  EXPECT_EQ(std::get<std::string>(canonical(Blob{"abc"}, Type::kText)), "abc");
  EXPECT_EQ(std::get<Blob>(canonical(std::string("abc"), Type::kBytes)).bytes, "abc");
  EXPECT_EQ(std::get<std::string>(canonical(std::string("{ }"), Type::kJson)), "{}");
  EXPECT_TRUE(std::holds_alternative<std::nullptr_t>(canonical(nullptr, Type::kI64)));
  EXPECT_THROW(canonical(std::string("7"), Type::kI64), std::runtime_error);
  EXPECT_THROW(canonical(std::int64_t{40'000}, Type::kI16), std::runtime_error);
  EXPECT_THROW(canonical(std::string("\xff"), Type::kText), std::runtime_error);
  EXPECT_THROW(canonical(std::string("a\0b", 3), Type::kText), std::runtime_error);
}

TEST(Sum, DoesNotDependOnTheOrderButOnEveryValue) {
  const Row one = {std::int64_t{1}, std::string("a"), nullptr, Blob{"x"}};
  const Row two = {std::int64_t{2}, std::string("b"), std::string(""), Blob{""}};
  auto sum = [](std::initializer_list<Row> rows) {
    Sum all;
    for (const Row& row : rows) all.add(row);
    return all;
  };
  EXPECT_EQ(sum({one, two}), sum({two, one}));
  EXPECT_EQ(sum({one, two}).rows, 2u);
  EXPECT_NE(sum({one, two}), sum({one, one}));
  const std::vector<Row> others = {{std::int64_t{1}, std::string("a"), std::string(), Blob{"x"}},
                                   {std::int64_t{1}, std::string("a"), nullptr, std::string("x")},
                                   {std::int64_t{1}, std::string("ax"), nullptr, Blob{""}},
                                   {std::int64_t{9}, std::string("a"), nullptr, Blob{"x"}}};
  for (const Row& other : others) EXPECT_NE(sum({one}), sum({other}));
}

TEST(Keys, AreComparedColumnByColumnAndTextsByTheirBytes) {
  const Table table{"t", {{"a", Type::kI64}, {"b", Type::kText}, {"c", Type::kI64}}, {1, 0}};
  const Row low = {std::int64_t{2}, std::string("Z"), std::int64_t{0}},
            high = {std::int64_t{1}, std::string("a"), std::int64_t{0}};
  EXPECT_LT(compare_keys(table, low, high), 0);
  EXPECT_GT(compare_keys(table, high, low), 0);
  EXPECT_EQ(compare_keys(table, low, {std::int64_t{2}, std::string("Z"), std::int64_t{7}}), 0);
  EXPECT_EQ(table.column_list("m."), "m.a, m.b, m.c");
}

}  // namespace
}  // namespace parley::store::moving
