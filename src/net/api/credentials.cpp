#include "credentials.hpp"

#include "parley/base/bytes.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/secrets.hpp"

namespace parley::net::api {
namespace {

Error nobody() { return Error(Errc::kUnauthenticated, "Please sign in."); }

}  // namespace

std::string stored_hash(std::string_view secret) { return hex_encode(tenant::sha256(secret)); }

Outcome<Caller> caller_by_cookie(store::Sql& sql, std::string_view cookie, std::int64_t now_ns) {
  if (cookie.empty()) return nobody();
  const auto session = store::console_sessions::by_hash(sql, stored_hash(cookie));
  if (!session) return nobody();
  if (now_ns - session->last_used_ns >= kSessionIdleNs || now_ns - session->created_ns >= kSessionLifeNs)
    return nobody();
  auto account = store::accounts::by_id(sql, session->account);
  if (!account) return nobody();

  Caller caller;
  const std::vector<store::Agent> usable = store::agents::of_account(sql, account->id);
  if (usable.empty()) return nobody();
  caller.agent = usable.front();
  for (const store::Agent& agent : usable) {
    if (agent.id == session->agent) caller.agent = agent;
  }
  auto tenant = store::tenants::by_id(sql, caller.agent.tenant);
  if (!tenant) return nobody();
  caller.account = std::move(*account);
  caller.tenant = std::move(*tenant);
  caller.session_hash = session->token_hash;
  caller.touch_due = now_ns - session->last_used_ns >= kTouchNs;
  return caller;
}

Outcome<Caller> caller_by_bearer(store::Sql& sql, std::string_view token, std::int64_t now_ns) {
  if (token.empty()) return nobody();
  const auto found = store::api_tokens::by_hash(sql, stored_hash(token));
  if (!found) return nobody();
  auto agent = store::agents::by_id(sql, found->agent);
  if (!agent || agent->disabled) return nobody();
  auto account = store::accounts::by_id(sql, agent->account);
  auto tenant = store::tenants::by_id(sql, agent->tenant);
  if (!account || !tenant) return nobody();
  if (tenant->disabled) return Refusal{403, "tenant_disabled", "This organisation is switched off."};
  Caller caller;
  caller.account = std::move(*account);
  caller.agent = std::move(*agent);
  caller.tenant = std::move(*tenant);
  caller.token_id = found->id;
  caller.touch_due = now_ns - found->last_used_ns >= kTouchNs;
  return caller;
}

void touch(store::Sql& sql, const Caller& caller, std::int64_t now_ns) {
  if (caller.token_id != 0) {
    store::api_tokens::touch(sql, caller.token_id, now_ns);
  } else {
    store::console_sessions::touch(sql, caller.session_hash, now_ns);
  }
}

std::string_view cookie_name(bool secure) { return secure ? "__Host-parley" : "parley"; }
std::string_view session_cookie(const HttpRequest& request) { return request.cookie(cookie_name(request.secure)); }

std::string set_cookie(bool secure, std::string_view secret, bool remember) {
  std::string line(cookie_name(secure));
  line.append("=").append(secret).append("; Path=/; HttpOnly; SameSite=Lax");
  if (secure) line.append("; Secure");
  if (remember) line.append("; Max-Age=").append(std::to_string(kSessionLifeNs / kSecondNs));
  return line;
}
std::string clear_cookie(bool secure) { return set_cookie(secure, "", false) + "; Max-Age=0"; }

std::string_view bearer(const HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = request.header("Authorization");
  if (header.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) return {};
  }
  return header.substr(kScheme.size());
}

bool csrf_safe(const HttpRequest& request) {
  const std::string_view type = request.header("Content-Type");
  const std::string_view media = type.substr(0, type.find(';'));
  if (media.substr(0, media.find_last_not_of(' ') + 1) != "application/json") return false;
  if (request.header("X-Parley-CSRF") != "1") return false;
  return request.own_origin || request.header("Sec-Fetch-Site") == "same-origin";
}

}  // namespace parley::net::api
