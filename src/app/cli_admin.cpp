#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli_commands.hpp"

namespace parley::app {
namespace {

using nlohmann::json;

/// The text at `pointer` (RFC 6901); "" if it is missing or of another kind, since the daemon may be of another
/// version.
std::string text(const json& object, const char* pointer) {
  const json::json_pointer at(pointer);
  return object.contains(at) && object[at].is_string() ? object[at].get<std::string>() : std::string();
}

std::string problem_of(int status, const json& reply) {
  std::string detail = reply.is_object() ? text(reply, "/detail") : "";
  if (detail.empty() && reply.is_object()) detail = text(reply, "/code");
  if (detail.empty()) detail = "the daemon answered with status " + std::to_string(status);
  std::string field = reply.is_object() ? text(reply, "/field") : "";
  return field.empty() ? detail : field + ": " + detail;
}

json ask(const AdminSession& session, const char* method, const std::string& target, const json* body) {
  AdminRequest request{method, target, body ? body->dump(-1, ' ', false, json::error_handler_t::replace) : ""};
  Result<AdminReply> reply = session.host.admin(session.folder / "admin.sock", request);
  if (!reply) throw std::runtime_error(reply.error().detail);
  json answer = json::parse(reply->body, nullptr, false);
  if (reply->status < 200 || reply->status > 299) throw std::runtime_error(problem_of(reply->status, answer));
  if (!answer.is_object()) throw std::runtime_error("the daemon's answer is not JSON; is it of another version?");
  return answer;
}

/// Prints the daemon's answer as it is, or as "name: value" lines in the order given.
int show(const AdminSession& session, const json& answer,
         std::initializer_list<std::pair<const char*, const char*>> fields) {
  if (session.json) {
    session.host.out << answer.dump() << "\n";
    return 0;
  }
  for (const auto& [pointer, title] : fields) {
    if (std::string value = text(answer, pointer); !value.empty()) session.host.out << title << ": " << value << "\n";
  }
  return 0;
}

}  // namespace

int add_tenant(const AdminSession& session, const AdminOptions& options) {
  json body{
      {"name", options.name}, {"slug", options.slug}, {"locale", options.locale}, {"time_zone", options.time_zone}};
  return show(session, ask(session, "POST", "/admin/v1/tenants", &body), {{"/id", "tenant"}});
}

int list_tenants(const AdminSession& session, const AdminOptions&) {
  json answer = ask(session, "GET", "/admin/v1/tenants", nullptr);
  if (session.json) return show(session, answer, {});
  auto items = answer.find("items");
  if (items == answer.end() || !items->is_array())
    throw std::runtime_error("the daemon's answer has no list; is it of another version?");
  for (const json& item : *items) {
    if (item.is_object())
      session.host.out << text(item, "/slug") << "\t" << text(item, "/id") << "\t" << text(item, "/name") << "\n";
  }
  return 0;
}

int add_agent(const AdminSession& session, const AdminOptions& options) {
  json body{
      {"tenant", options.tenant}, {"email", options.email}, {"display_name", options.name}, {"role", options.role}};
  if (options.password_stdin) {
    std::string password;
    std::getline(session.host.in, password);
    if (password.empty()) throw std::runtime_error("--password-stdin: nothing came on standard input");
    body["password"] = password;
  }
  return show(session, ask(session, "POST", "/admin/v1/agents", &body),
              {{"/id", "agent"}, {"/password", "password (shown once)"}});
}

int add_site(const AdminSession& session, const AdminOptions& options) {
  json body{{"tenant", options.tenant}, {"name", options.name}, {"allowed_origins", options.origins}};
  return show(session, ask(session, "POST", "/admin/v1/channels", &body), {{"/id", "site"}, {"/public_key", "key"}});
}

int add_token(const AdminSession& session, const AdminOptions& options) {
  json body{{"tenant", options.tenant}, {"email", options.email}, {"name", options.name}};
  return show(session, ask(session, "POST", "/admin/v1/tokens", &body), {{"/token", "token (shown once)"}});
}

int make_demo(const AdminSession& session, const AdminOptions&) {
  json body = json::object();
  return show(session, ask(session, "POST", "/admin/v1/demo", &body),
              {{"/tenant/slug", "tenant"},
               {"/email", "email"},
               {"/password", "password (shown once)"},
               {"/channel/public_key", "key"}});
}

}  // namespace parley::app
