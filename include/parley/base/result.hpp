#pragma once
#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley {

/// Everything that can go wrong at run time and is expected to. docs/protocol.md section 6 maps these to statuses and
/// codes.
enum class Errc {
  kBadInput,         ///< 400: the caller sent something malformed; `field` names the place.
  kUnauthenticated,  ///< 401
  kForbidden,        ///< 403
  kNotFound,         ///< 404: also for what belongs to another tenant
  kConflict,         ///< 409
  kGone,             ///< 410
  kTooLarge,         ///< 413
  kFiltered,         ///< 422
  kRateLimited,      ///< 429
  kOverloaded,       ///< 503: a queue is full, nothing was done
  kUnavailable,      ///< 503: a dependency is down; for a write the outcome is unknown
  kStorageFull,      ///< 507
  kTimeout,          ///< a deadline passed
  kClosed,           ///< the other side, or this object, was closed
  kInternal,         ///< 500: our fault
};

std::string_view to_string(Errc code) noexcept;

/// A failed operation: a code for programs, a sentence for people and logs, and optionally the input field it is about.
struct Error {
  explicit Error(Errc c, std::string text = {}, std::string where = {})
      : code(c), detail(std::move(text)), field(std::move(where)) {}
  Errc code;
  std::string detail;
  std::string field;
};

/// Either a value or an Error. Named access only: no exceptions on the expected paths (std::expected comes with C++23).
template <class T = std::monostate>
class [[nodiscard]] Result {
 public:
  Result() requires std::is_same_v<T, std::monostate> : state_(std::in_place_index<0>) {}
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  explicit operator bool() const noexcept { return state_.index() == 0; }
  bool has_value() const noexcept { return state_.index() == 0; }
  T& operator*() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& operator*() && {
    assert(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  const T* operator->() const {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  const Error& error() const& {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

}  // namespace parley
