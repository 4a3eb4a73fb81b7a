#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.hpp"
#include "parley/net/http.hpp"
#include "parley/store/entities.hpp"
#include "parley/store/sql.hpp"

/// Who is asking: cookies and bearer tokens, as DECISIONS section 6 has them.
namespace parley::net::api {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
inline constexpr std::int64_t kSessionIdleNs = 12 * 3600 * kSecondNs;
inline constexpr std::int64_t kSessionLifeNs = 30 * 24 * 3600 * kSecondNs;
/// "Last used" is written at most this often per session or token.
inline constexpr std::int64_t kTouchNs = 60 * kSecondNs;

/// An agent who proved who it is; everything read in one snapshot.
struct Caller {
  store::Account account;
  store::Agent agent;
  store::Tenant tenant;
  std::string session_hash;    ///< of a console session; empty with a bearer token
  std::uint64_t token_id = 0;  ///< of a bearer token
  bool touch_due = false;
};

/// How a secret stands in the database.
std::string stored_hash(std::string_view secret);

/// The session is neither idle for 12 h nor older than 30 days, and its agent still works for an enabled tenant; if not
/// there, any other tenant of that person. kUnauthenticated otherwise.
Outcome<Caller> caller_by_cookie(store::Sql& sql, std::string_view cookie, std::int64_t now_ns);
/// kUnauthenticated for an unknown token or a disabled agent, kForbidden for a disabled tenant.
Outcome<Caller> caller_by_bearer(store::Sql& sql, std::string_view token, std::int64_t now_ns);
/// Writes the time of use down.
void touch(store::Sql& sql, const Caller& caller, std::int64_t now_ns);

/// "__Host-parley" on https, "parley" on plain http. The other one never counts: a foreign subdomain could have set it.
std::string_view cookie_name(bool secure);
std::string_view session_cookie(const HttpRequest& request);
/// The Set-Cookie line; without `remember` the browser drops it when it closes.
std::string set_cookie(bool secure, std::string_view secret, bool remember);
std::string clear_cookie(bool secure);
/// The token of "Authorization: Bearer …"; empty if there is none.
std::string_view bearer(const HttpRequest& request);

/// May a request that changes something and is vouched for by a cookie be believed? It must say that it is JSON, carry
/// X-Parley-CSRF: 1 (neither is possible for a foreign page without a preflight, which is not granted), and come from
/// the daemon's own origin by the browser's word.
bool csrf_safe(const HttpRequest& request);

}  // namespace parley::net::api
