#include "parley/base/background.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace parley {

void run_in_background() noexcept {
  constexpr int kNice = 10;  // about a tenth of a core that others want, too
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

}  // namespace parley
