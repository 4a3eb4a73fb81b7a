#include "redis/append_file.hpp"

#include <stdexcept>
#include <thread>

#include "redis/endpoint.hpp"
#include "redis/info.hpp"

namespace parley::store::redis {

Command append_file_query() { return {"INFO", "persistence"}; }
Command append_file_rewrite() { return {"BGREWRITEAOF"}; }

std::optional<AppendFile> append_file_of(const Reply& reply) {
  if (reply.type != Reply::Type::kString) return std::nullopt;
  const std::string enabled = info_value(reply.text, "aof_enabled");
  const std::string took = info_value(reply.text, "aof_last_rewrite_time_sec");  // -1: none has ended
  if (enabled.empty() || took.empty()) return std::nullopt;
  const std::string count = info_value(reply.text, "aof_rewrites");  // since the start, or CONFIG RESETSTAT
  const bool has_ended = took != "-1";
  AppendFile file;
  file.enabled = enabled != "0";
  file.rewriting = info_value(reply.text, "aof_rewrite_in_progress") == "1";
  file.scheduled = info_value(reply.text, "aof_rewrite_scheduled") == "1";
  file.begun = file.rewriting || has_ended || (!count.empty() && count != "0");
  file.rewritten = has_ended && info_value(reply.text, "aof_last_bgrewrite_status") == "ok";
  return file;
}

AppendFileGuard::Step AppendFileGuard::take(const Reply& reply, Time now) {
  if (!asking_) {
    const std::optional<AppendFile> file = append_file_of(reply);
    if (!file)
      return fail("does not answer INFO (" + (reply.is_error() ? reply.text : "something else") +
                  "); allow the user of Parley the commands it needs");
    return look(*file, now);
  }
  asking_ = false;
  if (reply.is_error() && reply.text.find("in progress") == std::string::npos)
    return fail("was started anew and does not rewrite its append-only file (" + reply.text +
                "), without which a power loss could take what it answers; mend what its log names, or allow the user "
                "of Parley BGREWRITEAOF, or run redis-cli bgrewriteaof");
  asked_ = now;
  return Step::kSend;
}

AppendFileGuard::Step AppendFileGuard::look(const AppendFile& file, Time now) {
  sound_ = file.sound();
  if (sound_) return Step::kDone;
  if (file.begun && !file.rewriting && !file.scheduled) return Step::kDone;
  if (file.begun && now - began_ >= kPatience) return Step::kDone;
  if (!file.begun && !file.scheduled) {
    if (!asked_) {
      asking_ = true;
      return Step::kSend;
    }
    if (now - *asked_ >= kStarts)
      return fail("was started anew and does not begin to rewrite its append-only file; its log may say why");
  }
  reason_ = file.begun || !file.scheduled
                ? "it was started anew and rewrites its append-only file first"
                : "it was started anew and rewrites its append-only file when its snapshot is written";
  return Step::kPause;
}

AppendFileGuard::Step AppendFileGuard::fail(std::string why) {
  reason_ = "it " + std::move(why);
  return Step::kFailed;
}

bool guard_append_file(BlockingClient& client) {
  AppendFileGuard guard(std::chrono::steady_clock::now());
  for (;;) {
    const Reply reply = client.call(guard.command());
    switch (guard.take(reply, std::chrono::steady_clock::now())) {
      case AppendFileGuard::Step::kDone:
        return guard.sound();
      case AppendFileGuard::Step::kSend:
        break;
      case AppendFileGuard::Step::kPause:
        std::this_thread::sleep_for(AppendFileGuard::kPause);
        break;
      case AppendFileGuard::Step::kFailed:
        throw std::runtime_error("Redis at " + describe(client.endpoint()) + ": " + guard.reason());
    }
  }
}

}  // namespace parley::store::redis
