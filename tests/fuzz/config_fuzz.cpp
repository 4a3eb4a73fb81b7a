// Any file as configuration: it is read, or refused in one line that names the file; never anything else.
#include <string>

#include "fuzz.hpp"
#include "parley/config/settings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const config::Settings settings = config::load_text("fuzz.toml", text);
    fuzz::require(settings.session.visitor_send_burst > 0, "limits stay within their ranges");
    fuzz::require(settings.session.hello.count() > 0, "durations stay within their ranges");
  } catch (const config::ConfigError& error) {
    const std::string_view line = error.what();
    fuzz::require(!line.empty() && line.find('\n') == std::string_view::npos, "one line");
    fuzz::require(line.find("fuzz.toml") != std::string_view::npos, "the line names the file");
  }
  return 0;
}
