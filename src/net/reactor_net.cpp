#include "reactor_net.hpp"

#include <unistd.h>

#include <ctime>

#include "parley/protocol/ws.hpp"
#include "prefetch.hpp"

namespace parley::net {
namespace {

constexpr std::size_t kAhead = 2;
constexpr std::size_t kConnectionBytes = 128;  // a WsPeer

}  // namespace

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

void Connection::want(std::uint32_t events) {
  if (buried() || events == wanted_) return;
  wanted_ = events;
  net_->poller().change(fd_, events, *this);
}

ReactorNet::ReactorNet(Reactor& home, NetShared& shared)
    : ReactorBound(home), shared_(shared), poller_(home), buffer_(new char[kReadBytes + protocol::ws::kPadding]()) {}

ReactorNet::~ReactorNet() = default;

void ReactorNet::place(std::unique_ptr<Connection> connection) {
  connection->net_ = this;
  connection->place_ = static_cast<std::uint32_t>(connections_.size());
  connections_.push_back(std::move(connection));
}

std::unique_ptr<Connection> ReactorNet::unplace(Connection& connection) {
  const std::uint32_t at = connection.place_;
  assert(at != Connection::kNowhere);
  if (connection.dirty_ != Connection::kNowhere) {
    dirty_[connection.dirty_] = nullptr;
    connection.dirty_ = Connection::kNowhere;
  }
  std::unique_ptr<Connection> taken = std::move(connections_[at]);
  if (at + 1 < connections_.size()) {
    connections_[at] = std::move(connections_.back());
    connections_[at]->place_ = at;
  }
  connections_.pop_back();
  taken->place_ = Connection::kNowhere;
  return taken;
}

void ReactorNet::count(const Connection& connection, int by) {
  shared_.metrics.connections(connection.kind_).add(by);
  shared_.open.fetch_add(static_cast<std::size_t>(by), std::memory_order_relaxed);
}

Connection* ReactorNet::add(std::unique_ptr<Connection> connection, std::uint32_t events) {
  Connection* added = connection.get();
  if (!poller_.add(added->fd_, events, *added)) return nullptr;
  added->wanted_ = events;
  count(*added, 1);
  place(std::move(connection));
  return added;
}

void ReactorNet::bury(Connection& connection) {
  if (connection.buried()) return;
  poller_.remove(connection.fd_, connection);
  ::close(connection.release_fd());
  count(connection, -1);
  graveyard_.push_back(unplace(connection));
  arm();
}

void ReactorNet::replace(Connection& before, std::unique_ptr<Connection> after, std::uint32_t events) {
  Connection& heir = *after;
  heir.fd_ = before.release_fd();
  heir.wanted_ = events;
  poller_.replace(heir.fd_, events, before, heir);
  count(before, -1);
  count(heir, 1);
  graveyard_.push_back(unplace(before));
  place(std::move(after));
  arm();
}

std::unique_ptr<Connection> ReactorNet::release(Connection& connection) {
  poller_.remove(connection.fd_, connection);
  connection.wanted_ = 0;
  return unplace(connection);
}

bool ReactorNet::adopt(std::unique_ptr<Connection> connection) {
  check_home();
  Connection& added = *connection;
  place(std::move(connection));
  added.wanted_ = 0;
  return poller_.add(added.fd_, 0, added);
}

void ReactorNet::mark_dirty(Connection& connection) {
  if (connection.dirty_ != Connection::kNowhere || connection.place_ == Connection::kNowhere) return;
  connection.dirty_ = static_cast<std::uint32_t>(dirty_.size());
  dirty_.push_back(&connection);
  arm();
}

void ReactorNet::arm() {
  if (std::exchange(armed_, true)) return;
  home().at_turn_end([this] { turn_end(); });
}

void ReactorNet::turn_end() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {  // grows while handlers queue more
    if (i + kAhead < dirty_.size()) prefetch(dirty_[i + kAhead], kConnectionBytes);
    Connection* connection = dirty_[i];
    if (connection == nullptr) continue;  // it ended after it was marked
    dirty_[i] = nullptr;
    connection->dirty_ = Connection::kNowhere;
    connection->on_turn_end();
  }
  dirty_.clear();
  graveyard_.clear();
  armed_ = false;
}

void ReactorNet::shut_down(bool at_once) {
  check_home();
  shutting_down_ = true;
  cutting_ = at_once;
  keep_alive_ = false;
  // A connection may leave the table while it is asked, and its place is taken by the last one.
  std::vector<Connection*> all;
  all.reserve(connections_.size());
  for (const auto& connection : connections_) all.push_back(connection.get());
  for (Connection* connection : all) {
    if (!connection->buried()) connection->on_shutdown(at_once);
  }
}

const std::string& ReactorNet::http_date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second_) {
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[40];
    const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    date_.assign(text, length);
    date_second_ = now;
  }
  return date_;
}

}  // namespace parley::net
