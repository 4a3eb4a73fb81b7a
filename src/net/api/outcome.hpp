#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "parley/base/result.hpp"
#include "parley/net/http.hpp"

namespace parley::net::api {

/// An answer of the contract that is not the wished one.
struct Refusal {
  int status = 400;
  std::string_view code;  ///< a literal
  std::string detail;
  std::string_view field{};  ///< a literal
};
inline Refusal not_found() { return {404, "not_found", "There is no such thing here."}; }

/// What a piece of work on another thread came to: a value, a refusal in the contract's own words, or a failure. Takes
/// Result's place in Database::read and ::write (anything but a value rolls back) and in Worker::run.
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}            // NOLINT: implicit on purpose
  Outcome(Refusal refusal) : state_(std::in_place_index<1>, std::move(refusal)) {}  // NOLINT: implicit on purpose
  Outcome(Error error) : state_(std::in_place_index<2>, std::move(error)) {}        // NOLINT: implicit on purpose

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& operator*() { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const Refusal* refusal() const noexcept { return std::get_if<1>(&state_); }
  const Error* error() const noexcept { return std::get_if<2>(&state_); }
  /// Only without a value.
  HttpResponse problem() const {
    if (const Refusal* no = refusal()) return HttpResponse::problem(no->status, no->code, no->detail, no->field);
    return HttpResponse::of(*error());
  }

 private:
  std::variant<T, Refusal, Error> state_;
};

struct Done {};  ///< the value of work that has none

}  // namespace parley::net::api
