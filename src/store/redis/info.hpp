#pragma once
#include <string>
#include <string_view>

namespace parley::store::redis {

/// The value of `name:` in the text of an INFO reply; empty if there is none.
std::string info_value(std::string_view info, std::string_view name);

}  // namespace parley::store::redis
