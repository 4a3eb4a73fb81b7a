#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

/// The log of the process: spdlog behind it, text or JSON lines to stderr or a file. A line is an event name, then
/// key=value pairs; never a message's text, a token or a password. Threads: any. A disabled level costs one relaxed
/// load; its arguments are not formatted. A line is queued and written by a thread of its own, so a slow disk or a
/// stuck pipe never blocks the caller: a full queue drops its oldest lines and counts them. A line longer than 4 KiB is
/// cut.
namespace parley::log {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };
struct Options {
  Level level = Level::kInfo;
  bool json = false;
  std::string file;  ///< empty: stderr
};
/// Before the first call: info and above, as text, to stderr. Calling again (reload) changes level and format and opens
/// `file` anew, so a rotated file is let go. Throws std::runtime_error with one line if `file` cannot be opened; then
/// nothing has changed.
void configure(const Options& options);
void set_level(Level level) noexcept;
bool enabled(Level level) noexcept;
/// `event` and `pairs` ("a=1 b=\"x y\"") as one line.
void write(Level level, std::string_view event, std::string_view pairs);
/// Waits until what was logged so far is written, at most 2 s. Never on a reactor; called at exit as well.
void flush();
/// Lines lost to a full queue since the start. Any thread.
std::uint64_t dropped() noexcept;
/// A value for a pair: quoted and escaped if it holds spaces, quotes or control characters.
std::string quote(std::string_view value);
/// Eight hex digits that go both into a reply and into the log.
std::string make_ref();

template <class... Args>
void at(Level level, std::string_view event, fmt::format_string<Args...> pairs, Args&&... args) {
  if (enabled(level)) write(level, event, fmt::format(pairs, std::forward<Args>(args)...));
}
template <class... Args>
void debug(std::string_view event, fmt::format_string<Args...> pairs, Args&&... args) {
  at(Level::kDebug, event, pairs, std::forward<Args>(args)...);
}
template <class... Args>
void info(std::string_view event, fmt::format_string<Args...> pairs, Args&&... args) {
  at(Level::kInfo, event, pairs, std::forward<Args>(args)...);
}
template <class... Args>
void warn(std::string_view event, fmt::format_string<Args...> pairs, Args&&... args) {
  at(Level::kWarn, event, pairs, std::forward<Args>(args)...);
}
template <class... Args>
void error(std::string_view event, fmt::format_string<Args...> pairs, Args&&... args) {
  at(Level::kError, event, pairs, std::forward<Args>(args)...);
}

}  // namespace parley::log
