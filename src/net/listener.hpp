#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "http_connection.hpp"
#include "unique_fd.hpp"

namespace parley::net {

/// `count` listening sockets on one address, for one reactor each; the kernel spreads new connections over them. Port 0
/// lets the kernel choose. `section` names the settings ("server", "ops") in what is thrown: config::ConfigError if the
/// address is none, or the port is taken or forbidden. A port another process listens on is taken, even if that process
/// would share it.
std::vector<UniqueFd> listen_tcp(std::string_view section, const std::string& address, std::uint16_t port,
                                 std::size_t count);
std::uint16_t port_of(int fd);
/// A listening Unix socket with mode 0600. A left-over socket file is replaced; one that answers is another daemon:
/// config::ConfigError.
UniqueFd listen_unix(const std::filesystem::path& path);

/// Accepts on one reactor. Out of descriptors it closes what it cannot keep, logs once, and tries again a second later.
class Listener final : private Poller::Handler, private WheelTimer {
 public:
  Listener(ReactorNet& net, UniqueFd socket, const HttpService& service, Admission* admission);
  ~Listener();
  void start();
  void stop();

 private:
  void on_events(std::uint32_t events) override;
  void on_timer() override;
  bool accept_one();
  void out_of_descriptors();

  ReactorNet& net_;
  UniqueFd socket_;
  UniqueFd reserve_;  // given up to accept, and so to close, a connection there is no descriptor for
  const HttpService& service_;
  Admission* admission_;
  bool short_ = false;
};

}  // namespace parley::net
