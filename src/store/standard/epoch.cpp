#include "epoch.hpp"

#include "parley/base/bytes.hpp"

namespace parley::store::standard {
namespace {
constexpr std::size_t kEpochLength = 6;
}

std::string new_epoch() {
  std::string epoch;
  for (std::uint64_t bits = random_u64(); epoch.size() < kEpochLength; bits /= 36)
    epoch.push_back("abcdefghijklmnopqrstuvwxyz0123456789"[bits % 36]);
  return epoch;
}

}  // namespace parley::store::standard
