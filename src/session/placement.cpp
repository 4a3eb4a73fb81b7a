#include "placement.hpp"

#include <algorithm>
#include <charconv>

namespace parley::session {

Placement::Placement(std::size_t reactors, const config::Settings::Tenant& settings)
    : reactors_(reactors), default_width_(std::clamp<std::size_t>(settings.reactors, 1, reactors)) {
  for (const std::string& entry : settings.wide) {
    const auto equals = entry.rfind('=');
    std::size_t n = 0;
    if (equals != std::string::npos) std::from_chars(entry.data() + equals + 1, entry.data() + entry.size(), n);
    if (equals == std::string::npos || equals == 0 || n == 0) {
      throw config::ConfigError("tenant.wide: \"" + entry +
                                "\" is not of the form \"slug=2\" (a tenant's slug and its number of reactors)");
    }
    wide_[entry.substr(0, equals)] = std::clamp<std::size_t>(n, 1, reactors);
  }
}

std::size_t Placement::width(std::string_view slug) const {
  auto it = wide_.find(std::string(slug));
  return it == wide_.end() ? default_width_ : it->second;
}

}  // namespace parley::session
