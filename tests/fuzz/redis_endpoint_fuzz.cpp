// Any text as redis.url: no crash; what is taken can be connected to, and is described so that it is found again.
#include <algorithm>
#include <string>

#include "fuzz.hpp"
#include "redis/endpoint.hpp"

namespace {

bool is_clean(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  using namespace parley::store::redis;
  const std::string_view url(reinterpret_cast<const char*>(data), size);
  const Result<Endpoint> endpoint = parse_endpoint(url);
  if (!endpoint) {
    fuzz::require(endpoint.error().code == Errc::kBadInput, "the documented error");
    fuzz::require(is_clean(endpoint.error().detail), "a sentence, without what was typed");
    return 0;
  }
  const std::string where = describe(*endpoint);
  fuzz::require(is_clean(where), "nothing that the system's calls would cut off");
  const bool is_socket = !endpoint->unix_socket.empty();
  fuzz::require(is_socket || (!endpoint->host.empty() && endpoint->port != 0), "somewhere to go");
  const Result<Endpoint> again = parse_endpoint((is_socket ? "unix://" : "redis://") + where);
  fuzz::require(again && again->unix_socket == endpoint->unix_socket && again->host == endpoint->host &&
                    again->port == endpoint->port && again->password.empty(),
                "round trip");
  for (const Command& command : sign_in_commands(*endpoint)) fuzz::require(!command.empty(), "a command has a name");
  return 0;
}
