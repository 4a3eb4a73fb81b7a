#include "json.hpp"

#include <nlohmann/json.hpp>

#include <limits>

namespace parley::net::api {
namespace {
using Tree = nlohmann::ordered_json;
constexpr int kDepthMax = 16;

std::unique_ptr<Tree> parse_bounded(std::string_view text) {
  bool too_deep = false;
  auto watch = [&](int depth, Tree::parse_event_t, Tree&) {
    too_deep = too_deep || depth > kDepthMax;
    return !too_deep;
  };
  Tree tree = Tree::parse(text, watch, /*allow_exceptions=*/false);
  if (too_deep || tree.is_discarded()) return nullptr;
  return std::make_unique<Tree>(std::move(tree));
}
}  // namespace

struct Json::Value {
  Tree tree;
  const Tree* at(std::string_view key) const {
    if (!tree.is_object()) return nullptr;
    const auto found = tree.find(key);
    return found == tree.end() ? nullptr : &*found;
  }
};

Json::Json(std::unique_ptr<Value> value) : value_(std::move(value)) {}
Json::Json(const Json& other) : value_(std::make_unique<Value>(*other.value_)) {}
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(Json other) noexcept {
  value_.swap(other.value_);
  return *this;
}
Json::~Json() = default;

Json Json::object() { return Json(std::make_unique<Value>(Value{Tree::object()})); }
Json Json::array() { return Json(std::make_unique<Value>(Value{Tree::array()})); }
std::optional<Json> Json::parse(std::string_view text) {
  std::unique_ptr<Tree> tree = parse_bounded(text);
  if (!tree) return std::nullopt;
  return Json(std::make_unique<Value>(Value{std::move(*tree)}));
}

Json& Json::set(std::string_view key, std::string_view value) {
  value_->tree[std::string(key)] = std::string(value);
  return *this;
}
Json& Json::set(std::string_view key, bool value) {
  value_->tree[std::string(key)] = value;
  return *this;
}
Json& Json::set(std::string_view key, std::int64_t value) {
  value_->tree[std::string(key)] = value;
  return *this;
}
Json& Json::set(std::string_view key, Json value) {
  value_->tree[std::string(key)] = std::move(value.value_->tree);
  return *this;
}
Json& Json::set(std::string_view key, const std::vector<std::string>& values) {
  value_->tree[std::string(key)] = values;
  return *this;
}
Json& Json::set_null(std::string_view key) {
  value_->tree[std::string(key)] = nullptr;
  return *this;
}
Json& Json::erase(std::string_view key) {
  value_->tree.erase(std::string(key));
  return *this;
}
Json& Json::push(Json value) {
  value_->tree.push_back(std::move(value.value_->tree));
  return *this;
}
std::string Json::text() const { return value_->tree.dump(-1, ' ', false, Tree::error_handler_t::replace); }

bool Json::is_object() const { return value_->tree.is_object(); }
bool Json::has(std::string_view key) const { return value_->at(key) != nullptr; }
bool Json::is_null(std::string_view key) const {
  const Tree* found = value_->at(key);
  return found && found->is_null();
}
std::optional<std::string> Json::text_at(std::string_view key) const {
  const Tree* found = value_->at(key);
  if (!found || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}
std::optional<bool> Json::flag_at(std::string_view key) const {
  const Tree* found = value_->at(key);
  if (!found || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}
std::optional<std::int64_t> Json::number_at(std::string_view key) const {
  const Tree* found = value_->at(key);
  if (!found || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  return found->get<std::int64_t>();
}
std::optional<std::vector<std::string>> Json::texts_at(std::string_view key) const {
  const Tree* found = value_->at(key);
  if (!found || !found->is_array()) return std::nullopt;
  std::vector<std::string> texts;
  texts.reserve(found->size());
  for (const Tree& item : *found) {
    if (!item.is_string()) return std::nullopt;
    texts.push_back(item.get<std::string>());
  }
  return texts;
}
std::optional<Json> Json::object_at(std::string_view key) const {
  const Tree* found = value_->at(key);
  if (!found || !found->is_object()) return std::nullopt;
  return Json(std::make_unique<Value>(Value{*found}));
}

Json settings_of(std::string_view stored) {
  std::optional<Json> settings = Json::parse(stored);
  return settings && settings->is_object() ? std::move(*settings) : Json::object();
}
std::string items_text(Json items) { return Json::object().set("items", std::move(items)).text(); }

}  // namespace parley::net::api
