#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace load {

/// The command line; main.cpp says what each means.
struct Options {
  std::string mode = "relay", protocol = "parley";
  std::uint16_t port = 8080;
  std::vector<std::pair<std::string, std::string>> tenants;  ///< Parley: public key of a site, token of an agent
  std::string token;                                         ///< what the other servers sign clients in with
  std::string role = "visitor";                              ///< of idle sessions and handshakes
  bool lists = false, storm = false, hold = false, rude = false;
  std::vector<std::pair<std::string, int>> servers;  ///< name and process; the first one is the measured server
  unsigned pairs = 1000, receivers = 1, sessions = 10000, window = 8, concurrency = 64, stalled = 0;
  double rate = 0, seconds = 10, warmup = 2;
  std::size_t bytes = 300;
};

}  // namespace load
