#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "latency.hpp"
#include "protocol.hpp"
#include "wire.hpp"

namespace load {

/// Lanes on which messages flow, either on a fixed schedule (all lanes together) that never waits for answers, or as
/// fast as the window of unanswered sends allows. Latencies count from the time a send was due, not from when it could
/// go out, so a server that stalls cannot hide it (coordinated omission).
class Traffic : private Sink {
 public:
  explicit Traffic(const Options& options);
  nlohmann::json run();

 private:
  void acked(Lane& lane, std::uint64_t n, std::int64_t at) override;
  void delivered(Connection& to, std::uint64_t n, std::int64_t at) override;
  void failed(std::string what) override;
  void refused(Lane& lane, std::uint64_t n) override;
  void written(Connection& c) override { wire_.queue(c); }

  void make_lanes();
  void open_lanes();
  void stall_receivers();
  void next_late(Lane& lane);
  void send_due(Lane& lane, std::int64_t due);
  double drive(double seconds);
  void keep_schedule(std::int64_t begin, std::int64_t end);
  /// Waits for what is on its way and fails unless every message was acked and came to every receiver, once and in
  /// order.
  void settle();

  const Options& options_;
  const std::unique_ptr<Protocol> protocol_;
  Wire wire_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Latency ack_, delivery_, lag_;
  std::uint64_t acked_ = 0, delivered_ = 0, refused_ = 0, errors_ = 0;
  std::string first_error_;
  bool measuring_ = false, running_ = false;
};

}  // namespace load
