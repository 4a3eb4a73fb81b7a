#pragma once
#include <array>
#include <chrono>
#include <vector>

#include "parley/obs/metrics.hpp"

namespace parley::session {

/// The metrics of the chat; made once, shared by all reactors (each counts on its own cache line).
struct SessionMetrics {
  explicit SessionMetrics(obs::Registry& registry);
  obs::Counter& messages_in;
  obs::Counter& messages_out;
  obs::Histogram& ack_seconds;
  obs::Histogram& process_seconds;
  std::vector<obs::Histogram*> stage_seconds;  ///< by index in pipeline::all_stages()
  obs::Counter& duplicates;
  obs::Counter& refused;
  obs::Counter& dropped_ephemeral;
  obs::Counter& dropped_lagging;
  obs::Counter& dropped_hop;
  obs::Counter& frame_errors;
  obs::Counter& resumed_ok;
  obs::Counter& resumed_reset;
  obs::Counter& tail_hits;
  obs::Counter& tail_misses;
};

}  // namespace parley::session
