#pragma once
#include <string>
#include <string_view>

#include "parley/net/http.hpp"

namespace parley::net {

struct WireOptions {
  std::string_view date;
  bool close = false;     ///< the connection ends after this answer
  bool http_1_0 = false;  ///< keep-alive must be said
};
/// Status line and headers, up to and with the empty line. A header with a control character is left out and logged.
std::string serialise_head(const HttpResponse& response, const WireOptions& options);

}  // namespace parley::net
