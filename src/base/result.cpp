#include "parley/base/result.hpp"

namespace parley {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::kBadInput:
      return "bad_input";
    case Errc::kUnauthenticated:
      return "unauthenticated";
    case Errc::kForbidden:
      return "forbidden";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kConflict:
      return "conflict";
    case Errc::kGone:
      return "gone";
    case Errc::kTooLarge:
      return "too_large";
    case Errc::kFiltered:
      return "filtered";
    case Errc::kRateLimited:
      return "rate";
    case Errc::kOverloaded:
      return "busy";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kStorageFull:
      return "journal_full";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kClosed:
      return "closed";
    case Errc::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace parley
