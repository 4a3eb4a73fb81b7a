#pragma once
#include <cstdint>
#include <memory>

/// A SQLite file layer in which a power cut can happen: what was written to the database or its write-ahead log and not
/// yet synced stands in the memory of the process only. SIGKILL therefore loses it, and cut_power() does the same
/// inside a process. Shared memory and locks are the system's. Directory entries are taken as durable. Used by tests,
/// and by a daemon built with PARLEY_FAULT_POINTS whose environment has PARLEY_TEST_VFS=power_loss.
namespace parley::store::testing {

class PowerLossVfs {
 public:
  /// The one of this process, registered with SQLite.
  static PowerLossVfs& get();
  const char* name() const noexcept;

  /// Drops all that is not synced; open files fail from now on, files opened later work. Of each unsynced 4 KiB block
  /// `kept_percent` in a hundred reach the disk before, chosen by `seed`: a real disk writes in any order.
  void cut_power(unsigned kept_percent = 0, std::uint64_t seed = 0);
  /// From now on writes fail as on a full disk, or do not.
  void fill_disk(bool full);
  /// After `syncs` further successful ones, sync() fails `failures` times; nothing of the file reaches the disk then.
  void fail_syncs(int syncs, int failures);
  /// Syncs that succeeded so far.
  std::uint64_t syncs() const;

  struct State;

 private:
  PowerLossVfs();
  std::unique_ptr<State> state_;
};

}  // namespace parley::store::testing
