// Any bytes, cut anyhow: no crash, the same events for every cut, and what is handed out keeps its promises.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "parley/base/bytes.hpp"
#include "parley/protocol/ws.hpp"

namespace {

using namespace parley;
using protocol::ws::Decoder;
using protocol::ws::Event;
using protocol::ws::Opcode;

constexpr std::size_t kMax = 4096;

std::vector<std::string> events_of(const std::vector<std::string_view>& pieces) {
  Decoder decoder(kMax);
  std::vector<std::string> seen;
  for (const std::string_view piece : pieces) {
    std::vector<char> buffer(piece.begin(), piece.end());
    buffer.resize(piece.size() + protocol::ws::kPadding);
    decoder.feed({buffer.data(), piece.size()});
    Event event;
    while (decoder.next(event)) {
      const std::string_view payload{event.payload.data(), event.payload.size()};
      switch (event.kind) {
        case Event::Kind::kMessage:
          fuzz::require(payload.size() <= kMax, "a message within its limit");
          fuzz::require(event.opcode != Opcode::kText || is_utf8(payload), "texts are UTF-8");
          break;
        case Event::Kind::kPing:
        case Event::Kind::kPong:
          fuzz::require(payload.size() <= 125, "control frames are small");
          break;
        case Event::Kind::kClose:
          fuzz::require(is_utf8(event.reason), "reasons are UTF-8");
          break;
        case Event::Kind::kError:
          fuzz::require(event.close_code == 1002 || event.close_code == 1007 || event.close_code == 1009,
                        "a code of ours");
          break;
      }
      const bool ours = event.kind == Event::Kind::kError;
      seen.push_back(std::to_string(static_cast<int>(event.kind)) + "/" +
                     std::to_string(static_cast<int>(event.opcode)) + "/" + std::to_string(event.close_code) + "/" +
                     std::string(payload) + "/" + (ours ? std::string() : std::string(event.reason)));
    }
    std::fill(buffer.begin(), buffer.end(), '\xee');
  }
  fuzz::require(decoder.held() <= kMax + 14 + 125, "what is held is bounded");
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t step = 1 + input.byte() % 7;
  const std::size_t cut = input.byte();
  const std::string_view all = input.rest();
  const auto whole = events_of({all});
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < all.size(); at += step) pieces.push_back(all.substr(at, step));
  fuzz::require(events_of(pieces) == whole, "small pieces change nothing");
  const std::size_t middle = std::min(cut, all.size());
  fuzz::require(events_of({all.substr(0, middle), all.substr(middle)}) == whole, "one cut changes nothing");

  // Round trip: what the encoder writes, masked as a client would, is read back.
  const std::string payload(all.substr(0, kMax));
  std::string frame;
  protocol::ws::append_frame(frame, Opcode::kBinary, payload);
  const std::size_t header = frame.size() - payload.size();
  frame[1] = static_cast<char>(frame[1] | 0x80);
  const char mask[4] = {static_cast<char>(step), static_cast<char>(cut), '\x5a', '\x00'};
  for (std::size_t i = 0; i < payload.size(); ++i)
    frame[header + i] = static_cast<char>(frame[header + i] ^ mask[i % 4]);
  frame.insert(header, mask, 4);
  const auto back = events_of({frame});
  fuzz::require(back.size() == 1 && back[0] == "0/2/0/" + payload + "/", "round trip");
  return 0;
}
