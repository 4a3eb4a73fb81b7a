#pragma once
#include <cstddef>

namespace parley::net {

/// Asks for the cache lines of something that is looked at soon. With thousands of sockets nearly everything one of
/// them needs has left the caches since its last message. What was freed is harmless: nothing is read. Null: nobody.
inline void prefetch(const void* object, std::size_t bytes) noexcept {
  constexpr std::size_t kLine = 64;
  if (object == nullptr) return;
  for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(static_cast<const char*>(object) + at);
}

}  // namespace parley::net
