#include "log_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace parley::log {
namespace {

std::string timestamp(std::int64_t ms) {
  std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms % 1000);
}

bool is_number(std::string_view text) {
  std::size_t digits = 0, points = 0;
  for (std::size_t i = text.starts_with('-') ? 1 : 0; i < text.size(); ++i) {
    if (text[i] == '.' && digits > 0 && i + 1 < text.size()) {
      ++points;
    } else if (text[i] >= '0' && text[i] <= '9') {
      ++digits;
    } else {
      return false;
    }
  }
  if (digits == 0 || digits > 15 || points > 1) return false;
  std::string_view whole = text.substr(text.starts_with('-') ? 1 : 0);
  return whole.size() == 1 || whole[0] != '0' || whole[1] == '.';  // "007" is a name, not a number
}

/// The value of a pair that begins at `pos`; leaves `pos` behind it. Undoes quote().
std::string take_value(std::string_view text, std::size_t& pos, bool& quoted) {
  std::string value;
  quoted = pos < text.size() && text[pos] == '"';
  if (!quoted) {
    std::size_t end = std::min(text.find(' ', pos), text.size());
    value = text.substr(pos, end - pos);
    pos = end;
    return value;
  }
  for (++pos; pos < text.size() && text[pos] != '"'; ++pos) {
    if (text[pos] != '\\' || pos + 1 == text.size()) {
      value += text[pos];
      continue;
    }
    char escaped = text[++pos];
    value += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
  }
  if (pos < text.size()) ++pos;
  return value;
}

}  // namespace

std::string text_line(std::int64_t ms, std::string_view level, std::string_view payload) {
  std::string line = timestamp(ms);
  line.append(" ").append(level).append(" ");
  // A control character that reached us unquoted must not start a line of its own.
  for (char c : payload) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      line += c;
    } else {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  line += '\n';
  return line;
}

std::string json_line(std::int64_t ms, std::string_view level, std::string_view payload) {
  nlohmann::ordered_json line;
  line["ts"] = timestamp(ms);
  line["level"] = level;
  std::size_t pos = std::min(payload.find(' '), payload.size());
  line["event"] = payload.substr(0, pos);
  while (pos < payload.size()) {
    if (payload[pos] == ' ') {
      ++pos;
      continue;
    }
    std::size_t equals = payload.find('=', pos);
    std::size_t space = payload.find(' ', pos);
    if (equals == std::string_view::npos || space < equals) {  // a word without a value
      space = std::min(space, payload.size());
      line[std::string(payload.substr(pos, space - pos))] = true;
      pos = space;
      continue;
    }
    std::string key(payload.substr(pos, equals - pos));
    pos = equals + 1;
    bool quoted = false;
    std::string value = take_value(payload, pos, quoted);
    if (!quoted && (value == "true" || value == "false")) {
      line[key] = value == "true";
    } else if (!quoted && is_number(value)) {
      line[key] = nlohmann::ordered_json::parse(value);
    } else {
      line[key] = std::move(value);
    }
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

LineSink::~LineSink() {
  if (fd_ > 2) ::close(fd_);
}

void LineSink::reopen(const std::string& file, bool json) {
  int fd = 2;
  if (!file.empty()) {
    fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) throw std::runtime_error(fmt::format("log.file: cannot open {}: {}", file, std::strerror(errno)));
  }
  std::lock_guard lock(mutex_);
  std::swap(fd, fd_);
  json_ = json;
  if (fd > 2) ::close(fd);
}

std::uint64_t LineSink::flushes() {
  std::lock_guard lock(flush_mutex_);
  return flushes_;
}

bool LineSink::wait_flush(std::uint64_t seen, std::chrono::milliseconds timeout) {
  std::unique_lock lock(flush_mutex_);
  return flushed_.wait_for(lock, timeout, [&] { return flushes_ > seen; });
}

void LineSink::sink_it_(const spdlog::details::log_msg& msg) {
  std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(msg.time.time_since_epoch()).count();
  auto level = spdlog::level::to_string_view(msg.level);
  std::string_view payload(msg.payload.data(), msg.payload.size());
  std::string_view name(level.data(), level.size());
  std::string line = json_ ? json_line(ms, name, payload) : text_line(ms, name, payload);
  std::string_view rest = line;
  while (!rest.empty()) {
    ssize_t done = ::write(fd_, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return;  // a log that cannot be written has nowhere to say so
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}

void LineSink::flush_() {
  {
    std::lock_guard lock(flush_mutex_);
    ++flushes_;
  }
  flushed_.notify_all();
}

}  // namespace parley::log
