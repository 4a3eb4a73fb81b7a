#include "request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>

namespace parley::net {
namespace {

namespace http = boost::beast::http;

int status_for(const boost::system::error_code& ec) {
  if (ec == http::error::header_limit) return 431;
  if (ec == http::error::body_limit || ec == http::error::buffer_overflow) return 413;
  if (ec == http::error::bad_version) return 505;
  return 400;
}

boost::beast::string_view beast(std::string_view text) { return {text.data(), text.size()}; }
std::string plain(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct RequestParser::Impl {
  http::request_parser<http::string_body> parser;
};

RequestParser::RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(static_cast<std::uint32_t>(header_bytes_max));
  impl_->parser.body_limit(body_bytes_max);
}

RequestParser::~RequestParser() = default;

RequestParser::State RequestParser::put(std::string_view& bytes) {
  auto& parser = impl_->parser;
  while (state_ == State::kHeader || state_ == State::kHeaderDone || state_ == State::kBody) {
    if (state_ == State::kHeaderDone && parser.is_done()) return state_ = State::kDone;
    if (bytes.empty()) return state_ == State::kHeaderDone ? state_ = State::kBody : state_;
    boost::system::error_code ec;
    const std::size_t taken = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
    bytes.remove_prefix(taken);
    if (ec == http::error::need_more) return state_ == State::kHeader ? state_ : state_ = State::kBody;
    if (ec) {
      status_ = status_for(ec);
      return state_ = State::kFailed;
    }
    if (state_ == State::kHeader && parser.is_header_done()) return state_ = State::kHeaderDone;
    if (parser.is_done()) return state_ = State::kDone;
    if (state_ == State::kHeaderDone) state_ = State::kBody;
  }
  return state_;
}

std::string_view RequestParser::header(std::string_view name) const {
  const auto value = impl_->parser.get()[beast(name)];
  return {value.data(), value.size()};
}

std::size_t RequestParser::count(std::string_view name) const { return impl_->parser.get().count(beast(name)); }
bool RequestParser::http_1_0() const noexcept { return impl_->parser.get().version() == 10; }
bool RequestParser::keep_alive() const noexcept { return impl_->parser.keep_alive(); }
bool RequestParser::expects_body() const noexcept { return !impl_->parser.is_done(); }

HttpRequest RequestParser::take() {
  auto message = impl_->parser.release();
  HttpRequest request;
  request.method = plain(message.method_string());
  request.path = plain(message.target());
  for (const auto& field : message) request.headers.emplace_back(plain(field.name_string()), plain(field.value()));
  request.body = std::move(message.body());
  return request;
}

}  // namespace parley::net
