#pragma once
#include <string>
#include <vector>

#include "form.hpp"

namespace parley::net::api {

inline constexpr std::size_t kOriginsMax = 50;

/// Canonical and without doubles; the first bad one is refused as "allowed_origins".
std::vector<std::string> checked_origins(Form& form, const std::vector<std::string>& typed);

/// `stored` with the fields of `wanted` in it; null takes a field away. A bad field is refused as "settings.<name>".
std::string merged_site_settings(Form& form, const std::string& stored, const Json& wanted);

}  // namespace parley::net::api
