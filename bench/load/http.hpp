#pragma once
#include <cstdint>
#include <string>

namespace load {

/// One blocking HTTP/1.1 request on a connection of its own; for setting a run up, never while measuring. Throws
/// std::runtime_error with status and body if it is not 2xx.
std::string post_json(std::uint16_t port, const std::string& path, const std::string& body);

}  // namespace load
