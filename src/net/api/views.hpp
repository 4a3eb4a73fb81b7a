#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "credentials.hpp"
#include "json.hpp"
#include "parley/store/entities.hpp"

/// How stored things look in REST.
namespace parley::net::api {

/// 2026-01-31T09:05:00.123Z
std::string rfc3339(std::int64_t ns);

struct Place {
  store::Agent agent;
  store::Tenant tenant;
};
/// The answer of GET /session: who it is, where, and where else.
Json session_view(const Caller& caller, const std::vector<Place>& places);
Json agent_view(const store::Agent& agent);
Json channel_view(const store::Channel& channel);
Json word_list_view(const store::WordList& list);
Json token_view(const store::ApiToken& token);

/// The settings of a site with what counts where nothing was chosen.
Json site_settings(const store::Channel& channel, const store::Tenant* tenant);

}  // namespace parley::net::api
