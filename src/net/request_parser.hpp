#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "parley/net/http.hpp"

namespace parley::net {

/// One HTTP/1.x request out of bytes; Beast behind it, in one .cpp. Made at a request's first byte and gone after its
/// last, so that an idle connection has none.
class RequestParser {
 public:
  enum class State {
    kHeader,      ///< the headers are not complete
    kHeaderDone,  ///< they just became so (reported once, before any byte of the body is taken)
    kBody,
    kDone,
    kFailed  ///< status() says with what to answer; nothing more may be put
  };
  RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max);
  ~RequestParser();

  /// Takes bytes from the front of `bytes` until the state changes or more are needed. What is left must be given
  /// again, with more behind it.
  State put(std::string_view& bytes);

  int status() const noexcept { return status_; }        ///< kFailed: 400, 413, 431, 501 or 505
  std::string_view header(std::string_view name) const;  ///< from kHeaderDone on
  std::size_t count(std::string_view name) const;
  bool http_1_0() const noexcept;
  bool keep_alive() const noexcept;
  bool expects_body() const noexcept;
  /// kDone: moves method, target (into path, undecoded), headers and body out.
  HttpRequest take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  State state_ = State::kHeader;
  int status_ = 0;
};

}  // namespace parley::net
