#pragma once
#include <array>

#include "parley/obs/metrics.hpp"

namespace parley::net {

enum class Kind : unsigned char { kHttp, kWebSocket, kOps, kAdmin };
enum class Refused : unsigned char {
  kBadRequest,
  kHeaderSize,
  kBodySize,
  kTimeout,
  kHandshake,
  kAdmission,
  kAddress,
  kDescriptors
};

struct NetMetrics {
  explicit NetMetrics(obs::Registry& registry);
  obs::Gauge& connections(Kind kind) const { return *connections_[static_cast<std::size_t>(kind)]; }
  obs::Counter& refused(Refused reason) const { return *refused_[static_cast<std::size_t>(reason)]; }
  obs::Counter& answered(int status) const {
    return *answered_[static_cast<std::size_t>(status / 100 >= 1 && status / 100 <= 5 ? status / 100 - 1 : 4)];
  }

  obs::Counter& accepts;
  obs::Counter& bytes_in;
  obs::Counter& bytes_out;
  obs::Counter& writev;

 private:
  std::array<obs::Gauge*, 4> connections_;
  std::array<obs::Counter*, 8> refused_;
  std::array<obs::Counter*, 5> answered_;
};

}  // namespace parley::net
