#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "parley/base/ids.hpp"
#include "parley/protocol/types.hpp"

namespace parley::domain {

/// The answer that was given to one send. A consumed void is kOk without a seq.
struct SendResult {
  std::uint64_t n = 0;
  std::uint64_t hash = 0;
  std::uint64_t seq = 0;  ///< 0 for refusals and voids
  std::int64_t ts_ns = 0;
  MessageId id{};
  protocol::Code code = protocol::Code::kOk;
};

/// What is remembered of one (principal, dev) in one conversation: the last used n and the last 16 answers. Not
/// thread-safe.
class SenderState {
 public:
  enum class Kind { kNext, kDuplicate, kConflict, kTooOld, kGap };
  struct Look {
    Kind kind;
    const SendResult* result = nullptr;  ///< of kDuplicate and kConflict; valid until remember() or restore()
  };
  /// Where does (n, hash) stand?
  ///   kNext       it is the next one.
  ///   kGap        expected() comes first; also for an unknown dev that does not begin with 1.
  ///   kDuplicate  it was answered before: give `result` again. A void matches whatever was answered under its n, since
  ///   it only asks "is it stored, and if not, give it up"; and an n
  ///               that was given up by a void matches any later content, since that can only be the send which the
  ///               void overtook.
  ///   kConflict   the same n was answered for other content.
  ///   kTooOld     it was answered, but that answer is forgotten (more than 16 ago, or before what was restored); also
  ///   n = 0, which is no number.
  Look look(std::uint64_t n, std::uint64_t hash, bool is_void) const;
  std::uint64_t expected() const noexcept { return last_n_ + 1; }
  std::uint64_t last_n() const noexcept { return last_n_; }
  /// The newest ts_ns among the answers: a sender is forgotten some days after it.
  std::int64_t last_used_ns() const noexcept { return last_used_ns_; }
  /// Precondition: result.n == expected().
  void remember(const SendResult& result);
  /// Rebuilds from storage, oldest first; n may start anywhere. An n at or below the last one is ignored.
  void restore(const SendResult& result);

 private:
  std::array<SendResult, protocol::kInFlightMax> ring_{};
  std::uint64_t last_n_ = 0;
  std::int64_t last_used_ns_ = 0;
};

struct SenderKey {
  Principal principal;
  DevId dev;
  auto operator<=>(const SenderKey&) const = default;
};
struct SenderKeyHash {
  std::size_t operator()(const SenderKey& key) const noexcept;
};

}  // namespace parley::domain
