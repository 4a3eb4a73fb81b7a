#include "form.hpp"

#include <algorithm>

#include "parley/base/bytes.hpp"
#include "parley/tenant/names.hpp"

namespace parley::net::api {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool has_control(std::string_view text, bool breaks) {
  return std::ranges::any_of(text, [breaks](char c) {
    if (breaks && (c == '\n' || c == '\r' || c == '\t')) return false;
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

}  // namespace

Form::Form(std::string_view body) : json_(Json::object()) {
  std::optional<Json> parsed = Json::parse(body);
  if (parsed && parsed->is_object()) {
    json_ = std::move(*parsed);
  } else {
    error_.emplace(Errc::kBadInput, "The body is not a JSON object.");
  }
}

void Form::refuse(std::string_view key, std::string sentence) {
  if (!error_) error_.emplace(Errc::kBadInput, std::move(sentence), std::string(key));
}

std::string Form::needed(std::string_view key) {
  std::optional<std::string> text = json_.text_at(key);
  if (!text) refuse(key, "This field is needed, as a text.");
  return text.value_or(std::string());
}

std::string Form::checked(std::string_view key, std::string text, Length length, bool breaks) {
  if (has_control(text, breaks)) {
    refuse(key, "Control characters are not allowed here.");
    return {};
  }
  std::string cut(trimmed(text));
  const std::size_t points = code_points(cut);
  if (points < length.min || points > length.max) {
    refuse(key, "Between " + std::to_string(length.min) + " and " + std::to_string(length.max) +
                    " characters are expected.");
    return {};
  }
  return cut;
}

std::string Form::line(std::string_view key, Length length) { return checked(key, needed(key), length, false); }
std::optional<std::string> Form::line_if(std::string_view key, Length length) {
  if (!has(key)) return std::nullopt;
  return line(key, length);
}
std::string Form::lines(std::string_view key, Length length) { return checked(key, needed(key), length, true); }

std::string Form::raw(std::string_view key, std::size_t bytes_max) {
  std::string text = needed(key);
  if (text.size() > bytes_max) {
    refuse(key, "This is too long.");
    return {};
  }
  return text;
}
std::optional<std::string> Form::raw_if(std::string_view key, std::size_t bytes_max) {
  if (!has(key)) return std::nullopt;
  return raw(key, bytes_max);
}

std::optional<bool> Form::flag_if(std::string_view key) {
  if (!has(key)) return std::nullopt;
  const std::optional<bool> flag = json_.flag_at(key);
  if (!flag) refuse(key, "true or false is expected.");
  return flag;
}
bool Form::flag(std::string_view key, bool otherwise) { return flag_if(key).value_or(otherwise); }

std::optional<std::int64_t> Form::number_if(std::string_view key, std::int64_t min, std::int64_t max) {
  if (!has(key)) return std::nullopt;
  const std::optional<std::int64_t> number = json_.number_at(key);
  if (!number || *number < min || *number > max) {
    refuse(key, "A whole number from " + std::to_string(min) + " to " + std::to_string(max) + " is expected.");
    return std::nullopt;
  }
  return number;
}

std::optional<std::vector<std::string>> Form::list_if(std::string_view key, std::size_t items_max) {
  if (!has(key)) return std::nullopt;
  return list(key, items_max);
}
std::vector<std::string> Form::list(std::string_view key, std::size_t items_max) {
  std::optional<std::vector<std::string>> texts = json_.texts_at(key);
  if (!texts) {
    refuse(key, "A list of texts is expected.");
    return {};
  }
  if (texts->size() > items_max) {
    refuse(key, "At most " + std::to_string(items_max) + " items are allowed.");
    return {};
  }
  return std::move(*texts);
}

std::optional<Json> Form::object_if(std::string_view key) {
  if (!has(key)) return std::nullopt;
  std::optional<Json> object = json_.object_at(key);
  if (!object) refuse(key, "An object is expected.");
  return object;
}

std::string Form::email(std::string_view key) {
  std::optional<std::string> email = tenant::normalise_email(needed(key));
  if (!email) refuse(key, "This is not an e-mail address.");
  return email.value_or(std::string());
}

std::string Form::locale(std::string_view key) {
  std::string locale = needed(key);
  if (locale != "zh-CN" && locale != "en") refuse(key, "\"zh-CN\" or \"en\" is expected.");
  return locale;
}
std::optional<std::string> Form::locale_if(std::string_view key) {
  if (!has(key)) return std::nullopt;
  return locale(key);
}

std::string Form::time_zone(std::string_view key) {
  std::string zone = needed(key);
  if (!tenant::is_time_zone(zone)) refuse(key, "This is not a time zone such as Asia/Shanghai or Europe/Berlin.");
  return zone;
}
std::optional<std::string> Form::time_zone_if(std::string_view key) {
  if (!has(key)) return std::nullopt;
  return time_zone(key);
}

tenant::Role Form::role(std::string_view key) {
  const std::optional<tenant::Role> role = tenant::role_of(needed(key));
  if (!role) refuse(key, "\"agent\", \"supervisor\", \"admin\" or \"owner\" is expected.");
  return role.value_or(tenant::Role::kAgent);
}
std::optional<tenant::Role> Form::role_if(std::string_view key) {
  if (!has(key)) return std::nullopt;
  return role(key);
}

std::string Form::slug(std::string_view key) {
  std::string slug = needed(key);
  if (!tenant::is_slug(slug)) refuse(key, "1 to 40 of a-z, 0-9 and \"-\" are expected, no hyphen at the ends.");
  return slug;
}

}  // namespace parley::net::api
