#include "parley/obs/log.hpp"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "log_sink.hpp"
#include "parley/base/bytes.hpp"

namespace parley::log {
namespace {

constexpr std::size_t kQueueLines = 8192;
constexpr std::size_t kLineBytesMax = 4096;  // with kQueueLines: at most 32 MiB wait
constexpr std::chrono::milliseconds kFlushWait{2000};

std::atomic<Level> threshold{Level::kInfo};

struct Backend {
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
  std::shared_ptr<spdlog::details::thread_pool> pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  std::shared_ptr<spdlog::async_logger> logger = make();

  std::shared_ptr<spdlog::async_logger> make() {
    auto made =
        std::make_shared<spdlog::async_logger>("parley", sink, pool, spdlog::async_overflow_policy::overrun_oldest);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::off);
    return made;
  }
};

std::atomic<bool> started{false};

/// Never destroyed: other threads and static destructors may log until the process is gone. What is queued then is
/// written by the atexit() handler.
Backend& backend() {
  static Backend* const instance = [] {
    auto* made = new Backend;
    started.store(true, std::memory_order_release);
    std::atexit([] { flush(); });
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

void configure(const Options& options) {
  backend().sink->reopen(options.file, options.json);
  set_level(options.level);
}

void set_level(Level level) noexcept { threshold.store(level, std::memory_order_relaxed); }

bool enabled(Level level) noexcept {
  return level != Level::kOff && level >= threshold.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view event, std::string_view pairs) {
  if (!enabled(level)) return;
  std::string line;
  line.reserve(event.size() + 1 + pairs.size());
  line.append(event);
  if (!pairs.empty()) line.append(" ").append(pairs);
  if (line.size() > kLineBytesMax) {
    line.resize(kLineBytesMax);
    line.append(" cut=true");
  }
  backend().logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void flush() {
  if (!started.load(std::memory_order_acquire)) return;
  Backend& log = backend();
  static std::mutex one_at_a_time;  // otherwise another caller's request could be taken for ours
  std::lock_guard lock(one_at_a_time);
  std::uint64_t seen = log.sink->flushes();
  // The request itself may be overrun by a flood of lines; then ask again.
  for (auto waited = std::chrono::milliseconds(0); waited < kFlushWait; waited += std::chrono::milliseconds(250)) {
    log.pool->post_flush(std::shared_ptr<spdlog::async_logger>(log.logger),
                         spdlog::async_overflow_policy::overrun_oldest);
    if (log.sink->wait_flush(seen, std::chrono::milliseconds(250))) return;
  }
}

std::uint64_t dropped() noexcept {
  return started.load(std::memory_order_acquire) ? backend().pool->overrun_counter() : 0;
}

std::string quote(std::string_view value) {
  bool plain = !value.empty() && is_utf8(value);
  for (char c : value)
    plain = plain && static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '"' && c != '\\' && c != '=';
  if (plain) return std::string(value);
  std::string out = "\"";
  const bool text = is_utf8(value);
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !text)) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string make_ref() { return hex_encode(random_bytes(4)); }

}  // namespace parley::log
