#include "views.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace parley::net::api {

std::string rfc3339(std::int64_t ns) {
  const std::time_t seconds = ns / kSecondNs;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 24> day{};
  std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(ns / 1'000'000 % 1000));
  return std::string(day.data()) + fraction.data();
}

Json session_view(const Caller& caller, const std::vector<Place>& places) {
  Json tenants = Json::array();
  for (const Place& place : places) {
    tenants.push(Json::object()
                     .set("id", place.tenant.id.str())
                     .set("name", place.tenant.name)
                     .set("slug", place.tenant.slug)
                     .set("role", store::to_string(place.agent.role)));
  }
  Json account = Json::object()
                     .set("id", caller.account.id.str())
                     .set("email", caller.account.email)
                     .set_null("locale")
                     .set("time_zone", caller.account.time_zone);
  if (!caller.account.locale.empty()) account.set("locale", caller.account.locale);
  return Json::object()
      .set("account", std::move(account))
      .set("agent", Json::object()
                        .set("id", caller.agent.id.str())
                        .set("display_name", caller.agent.display_name)
                        .set("role", store::to_string(caller.agent.role)))
      .set("tenant", Json::object()
                         .set("id", caller.tenant.id.str())
                         .set("name", caller.tenant.name)
                         .set("slug", caller.tenant.slug))
      .set("tenants", std::move(tenants));
}

Json agent_view(const store::Agent& agent) {
  return Json::object()
      .set("id", agent.id.str())
      .set("display_name", agent.display_name)
      .set("email", agent.email)
      .set("role", store::to_string(agent.role))
      .set("disabled", agent.disabled);
}

Json site_settings(const store::Channel& channel, const store::Tenant* tenant) {
  const Json stored = settings_of(channel.settings);
  Json settings = Json::object()
                      .set("color", stored.text_at("color").value_or("#2B55D9"))
                      .set("position", stored.text_at("position").value_or("right"))
                      .set("locale", stored.text_at("locale").value_or(tenant ? tenant->locale : "en"));
  for (const char* key : {"greeting", "launcher_text", "privacy_url"}) {
    if (const auto text = stored.text_at(key)) settings.set(key, *text);
  }
  settings.set("enabled", stored.flag_at("enabled").value_or(true));
  return settings;
}

Json channel_view(const store::Channel& channel) {
  return Json::object()
      .set("id", channel.id.str())
      .set("name", channel.name)
      .set("kind", channel.kind)
      .set("public_key", channel.public_key)
      .set("allowed_origins", channel.allowed_origins)
      .set("settings", site_settings(channel, nullptr));
}

Json word_list_view(const store::WordList& list) {
  return Json::object()
      .set("id", std::to_string(list.id))
      .set("name", list.name)
      .set("action", list.action)
      .set("words", list.words)
      .set("updated_at", rfc3339(list.updated_ns));
}

Json token_view(const store::ApiToken& token) {
  Json view = Json::object()
                  .set("id", std::to_string(token.id))
                  .set("name", token.name)
                  .set("created_at", rfc3339(token.created_ns));
  if (token.last_used_ns == 0) return view.set_null("last_used_at");
  return view.set("last_used_at", rfc3339(token.last_used_ns));
}

}  // namespace parley::net::api
