#include "cli_admin_client.hpp"

#include <sys/un.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

namespace parley::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kPatience{30};

Error to_error(const beast::error_code& ec, const std::filesystem::path& socket) {
  if (ec == asio::error::access_denied)
    return Error(Errc::kForbidden, "may not open " + socket.string() + "; run this as the user of the daemon");
  if (ec == beast::error::timeout) return Error(Errc::kTimeout, "the daemon did not answer within 30 s");
  if (ec.category() == http::make_error_code(http::error::end_of_stream).category() &&
      ec != http::error::end_of_stream) {
    return Error(Errc::kInternal, "the daemon's answer is not HTTP: " + ec.message());
  }
  return Error(Errc::kUnavailable, "no daemon answers on " + socket.string() + "; start it with: parley serve --data " +
                                       socket.parent_path().string());
}

/// `result` by reference, because co_spawn() of this Boost wants what it returns to have a default.
asio::awaitable<void> exchange(Stream& stream, const std::filesystem::path& socket, const AdminRequest& request,
                               Result<AdminReply>& result) {
  auto fail = [&](const beast::error_code& ec) { result = to_error(ec, socket); };
  stream.expires_after(kPatience);
  asio::local::stream_protocol::endpoint endpoint(socket.string());
  auto [connected] = co_await stream.async_connect(endpoint, kTuple);
  if (connected) co_return fail(connected);

  http::request<http::string_body> out(http::string_to_verb(request.method), request.target, 11);
  out.set(http::field::host, "localhost");
  out.set(http::field::connection, "close");
  if (request.method != "GET") out.set(http::field::content_type, "application/json");
  out.body() = request.body;
  out.prepare_payload();
  auto [written, sent] = co_await http::async_write(stream, out, kTuple);
  if (written) co_return fail(written);

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(16u << 20);
  auto [read, size] = co_await http::async_read(stream, buffer, parser, kTuple);
  if (read) co_return fail(read);
  AdminReply reply;
  reply.status = static_cast<int>(parser.get().result_int());
  reply.body = std::move(parser.get().body());
  result = std::move(reply);
}

}  // namespace

Result<AdminReply> call_admin(const std::filesystem::path& socket, const AdminRequest& request) {
  if (socket.string().size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(Errc::kBadInput,
                 socket.string() +
                     " is too long for a socket address (107 bytes); use a shorter data folder or a relative path");
  }
  asio::io_context context;
  Stream stream(asio::any_io_executor(context.get_executor()));
  Result<AdminReply> result = Error(Errc::kInternal, "the request to the daemon failed");
  asio::co_spawn(context, exchange(stream, socket, request, result),
                 [](std::exception_ptr) {});  // then `result` says so
  context.run();
  return result;
}

}  // namespace parley::app
