#include "redis/lease.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "parley/base/bytes.hpp"
#include "redis/endpoint.hpp"

namespace parley::store::redis {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPoll{50}, kRounding{5};

// allow-oom: a Redis that is full must still be taken over by the daemon that makes room in it. Nothing that can fail
// stands behind the first write.

/// KEYS lease, meta; ARGV owner, time in ms, owner who may be replaced. Replies {fence} or {0, holder, its time left}.
constexpr const char* kAcquire = R"lua(#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[3] then return {0, holder, redis.call('PTTL', KEYS[1])} end
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {fence}
)lua";

/// KEYS lease, meta; ARGV owner, time in ms, fence. Replies 1 held, 0 taken, -1 forgotten. As long as the fence is ours
/// nobody can have held the lease since, so one that merely expired is taken again.
constexpr const char* kRenew = R"lua(#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if holder then return 0 end
local fence = redis.call('HGET', KEYS[2], 'fence')
if fence == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if fence and tonumber(fence) > tonumber(ARGV[3]) then return 0 end
return -1
)lua";

/// KEYS lease; ARGV owner.
constexpr const char* kRelease = R"lua(#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
)lua";

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

struct ProcessState {
  char state = '?';
  std::uint64_t start_ticks = 0;
};
/// From /proc/<pid>/stat, whose second field, the name, may hold anything; nullopt if it cannot be read.
std::optional<ProcessState> process_state(pid_t pid) {
  const std::string stat = first_line("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  ProcessState found;
  fields >> found.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> found.start_ticks;
  if (!fields) return std::nullopt;
  return found;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "unknown";
  std::string host = name.data();
  for (char& c : host)
    if (c == ' ') c = '_';
  return host;
}

/// Two processes see each other's pids if, and only if, this is the same for both: containers on one machine share the
/// boot id, and perhaps the host name.
std::string kernel_identity() {
  std::error_code ec;
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", ec).string();
  const std::string boot = first_line("/proc/sys/kernel/random/boot_id");
  return (boot.empty() ? "unknown" : boot) + "/" + (space.empty() ? "unknown" : space);
}

template <class Number>
bool read_number(const std::string& text, Number& value) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && end == text.data() + text.size();
}

std::runtime_error in_use(const BlockingClient& client, const std::string& prefix, const std::string& holder) {
  const std::optional<LeaseOwner> owner = LeaseOwner::parse(holder);
  const std::string who =
      owner ? "process " + std::to_string(owner->pid) + " on host " + owner->host : "\"" + holder + "\"";
  return std::runtime_error("the store is in use by " + who + " (prefix \"" + prefix + "\" of Redis at " +
                            describe(client.endpoint()) +
                            "); stop that daemon first, or give this one another redis prefix");
}

Command script(const char* source, std::vector<std::string> keys, std::vector<std::string> arguments) {
  Command command = {"EVAL", source, std::to_string(keys.size())};
  for (std::string& key : keys) command.push_back(std::move(key));
  for (std::string& argument : arguments) command.push_back(std::move(argument));
  return command;
}

}  // namespace

LeaseOwner LeaseOwner::this_process() {
  LeaseOwner owner;
  owner.id = hex_encode(random_bytes(16));
  owner.host = host_name();
  owner.pid = ::getpid();
  if (const auto state = process_state(owner.pid)) owner.start_ticks = state->start_ticks;
  owner.kernel = kernel_identity();
  return owner;
}

std::optional<LeaseOwner> LeaseOwner::parse(std::string_view text) {
  std::istringstream words{std::string(text)};
  LeaseOwner owner;
  std::string pid, ticks, more;
  if (!(words >> owner.id >> owner.host >> pid >> ticks >> owner.kernel) || words >> more) return std::nullopt;
  if (!read_number(pid, owner.pid) || owner.pid <= 0 || !read_number(ticks, owner.start_ticks)) return std::nullopt;
  return owner;
}

std::string LeaseOwner::text() const {
  return id + " " + host + " " + std::to_string(pid) + " " + std::to_string(start_ticks) + " " + kernel;
}

bool LeaseOwner::is_dead() const {
  if (host != host_name() || kernel != kernel_identity() || kernel.find("unknown") != std::string::npos) return false;
  if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
  const std::optional<ProcessState> now = process_state(pid);
  // Somebody else's process may be hidden from us; then it counts as alive.
  if (!now) return false;
  return now->state == 'Z' || now->state == 'X' || now->start_ticks != start_ticks;
}

Lease acquire(BlockingClient& client, const std::string& prefix, std::chrono::milliseconds time,
              std::chrono::milliseconds wait) {
  Lease lease;
  lease.prefix = prefix;
  lease.owner = LeaseOwner::this_process().text();
  lease.time = time;
  const auto deadline = Clock::now() + wait;
  std::string holder, replaced;
  Clock::time_point holder_ends{};
  for (;;) {
    const auto asked = Clock::now();
    const Reply reply = client.call(
        script(kAcquire, {prefix + ":lease", prefix + ":meta"}, {lease.owner, std::to_string(time.count()), replaced}));
    if (reply.is_error())
      throw std::runtime_error("Redis at " + describe(client.endpoint()) + " refuses the lease of prefix \"" + prefix +
                               "\": " + reply.text);
    if (reply.items.empty()) throw std::runtime_error("Redis answered the request for the lease with something else");
    if (reply.items[0].integer > 0) {
      lease.fence = static_cast<std::uint64_t>(reply.items[0].integer);
      return lease;
    }
    const std::string& now_held_by = reply.items.at(1).text;
    const std::int64_t left_ms = reply.items.at(2).integer;
    const auto left = std::chrono::milliseconds(left_ms);
    if (now_held_by != holder) {
      holder = now_held_by;
      holder_ends = Clock::now() + left;  // at the latest, however long the answer was on its way
      const std::optional<LeaseOwner> owner = LeaseOwner::parse(holder);
      if (owner && owner->is_dead()) {
        replaced = holder;
        continue;
      }
    } else if (asked + left > holder_ends + kRounding) {
      throw in_use(client, prefix, holder);  // it has been renewed: somebody lives there
    }
    // A key without a time to live is no lease of ours: only a person can tell whether it may go.
    if (left_ms < 0 || Clock::now() >= deadline) throw in_use(client, prefix, holder);
    std::this_thread::sleep_for(std::min(kPoll, left + std::chrono::milliseconds(1)));
  }
}

Command renew_command(const Lease& lease) {
  return script(kRenew, {lease.prefix + ":lease", lease.prefix + ":meta"},
                {lease.owner, std::to_string(lease.time.count()), std::to_string(lease.fence)});
}

Result<Renewal> renewal_of(const Reply& reply) {
  if (reply.type != Reply::Type::kInteger)
    return Error(Errc::kUnavailable,
                 "the lease could not be renewed: " + (reply.is_error() ? reply.text : "bad reply"));
  if (reply.integer == 1) return Renewal::kHeld;
  return reply.integer == 0 ? Renewal::kTaken : Renewal::kForgotten;
}

Command release_command(const Lease& lease) { return script(kRelease, {lease.prefix + ":lease"}, {lease.owner}); }

}  // namespace parley::store::redis
