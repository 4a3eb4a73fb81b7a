#pragma once
#include <spdlog/sinks/base_sink.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace parley::log {

/// One line of the log in the form it is written, with its newline. `payload` is "event key=value …".
/// Pure functions, so that they are tested without a file. `ms` = milliseconds since 1970 UTC.
std::string text_line(std::int64_t ms, std::string_view level, std::string_view payload);
/// {"ts","level","event", then the pairs}. Unquoted numbers of at most 15 digits become JSON numbers, everything else a
/// string.
std::string json_line(std::int64_t ms, std::string_view level, std::string_view payload);

/// Where the log thread writes: one write(2) per line, so lines of several processes on one file do not mix.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  ~LineSink() override;
  /// Throws std::runtime_error if `file` cannot be opened; then the sink is as before.
  void reopen(const std::string& file, bool json);
  /// How often the queue was drained up to a flush request.
  std::uint64_t flushes();
  /// Waits until flushes() passes `seen`; false after `timeout`.
  bool wait_flush(std::uint64_t seen, std::chrono::milliseconds timeout);

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override;
  void flush_() override;

 private:
  int fd_ = 2;
  bool json_ = false;
  std::mutex flush_mutex_;  // leaf lock
  std::condition_variable flushed_;
  std::uint64_t flushes_ = 0;
};

}  // namespace parley::log
