#pragma once

namespace parley {

/// The calling thread gets the CPU that others leave (nice 10): for what may be late, but must not keep a reactor, or
/// Redis on the same machine, from its core. Of this thread only.
void run_in_background() noexcept;

}  // namespace parley
