#include <fmt/chrono.h>
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli_commands.hpp"
#include "parley/store/dead_letters.hpp"

namespace parley::app {
namespace {

using nlohmann::ordered_json;
using store::DeadLetterView;

constexpr unsigned kPage = 500;

const std::string& archive_of(const config::Settings& settings) {
  if (!settings.store.standard())
    throw config::ConfigError("dead letters: only the standard store has them; store.mode is \"embedded\"");
  return settings.postgres.url;
}

std::string time_of(std::int64_t ns) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(ns / 1'000'000'000)));
}

ordered_json json_of(const DeadLetterView& letter, bool whole) {
  ordered_json out{{"id", letter.id},         {"conv", letter.conversation},      {"seq", letter.seq},
                   {"reason", letter.reason}, {"at", time_of(letter.created_ns)}, {"state", letter.state}};
  if (!whole) return out;
  if (!letter.kind.empty()) {
    out["type"] = letter.kind;
    out["from"] = letter.sender;
    out["sent_at"] = time_of(letter.sent_ns);
  }
  ordered_json body = ordered_json::parse(letter.body, nullptr, false);
  if (!letter.body.empty()) out["body"] = body.is_discarded() ? ordered_json(letter.body) : body;
  return out;
}

std::string text_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

template <class Visit>
void each_waiting(const std::string& conninfo, Visit visit) {
  std::int64_t after = 0;
  for (;;) {
    const std::vector<DeadLetterView> page = store::dead_letters(conninfo, after, kPage);
    for (const DeadLetterView& letter : page) visit(letter);
    if (page.size() < kPage) return;
    after = page.back().id;
  }
}

}  // namespace

int list_dead_letters(CliHost& host, const config::Settings& settings, bool json) {
  ordered_json all = ordered_json::array();
  each_waiting(archive_of(settings), [&](const DeadLetterView& letter) {
    if (json) {
      all.push_back(json_of(letter, false));
    } else {
      host.out << letter.id << "\t" << letter.conversation << "\t" << letter.seq << "\t" << time_of(letter.created_ns)
               << "\t" << letter.reason << "\n";
    }
  });
  if (json) host.out << text_of(ordered_json{{"items", all}}) << "\n";
  return 0;
}

int show_dead_letter(CliHost& host, const config::Settings& settings, std::int64_t id) {
  const std::optional<DeadLetterView> letter = store::dead_letter(archive_of(settings), id);
  if (!letter) throw std::runtime_error("there is no dead letter " + std::to_string(id));
  host.out << json_of(*letter, true).dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  return 0;
}

int replay_dead_letters(CliHost& host, const config::Settings& settings, std::int64_t id, bool json) {
  const std::string& conninfo = archive_of(settings);
  ordered_json all = ordered_json::array();
  bool good = true;
  auto replay = [&](std::int64_t one) {
    const std::string why_not = store::replay_dead_letter(conninfo, one);
    good = good && why_not.empty();
    if (json) {
      all.push_back({{"id", one}, {"done", why_not.empty()}, {"reason", why_not}});
    } else {
      host.out << one << ": " << (why_not.empty() ? "stands in its place now" : "stays: " + why_not) << "\n";
    }
  };
  if (id != 0) {
    replay(id);
  } else {
    each_waiting(conninfo, [&](const DeadLetterView& letter) { replay(letter.id); });
  }
  if (json) host.out << text_of(ordered_json{{"items", all}}) << "\n";
  return good ? 0 : 1;
}

}  // namespace parley::app
