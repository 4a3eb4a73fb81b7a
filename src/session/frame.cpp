#include "parley/session/frame.hpp"

#include "parley/protocol/ws.hpp"

namespace parley::session {

FramePtr make_text_frame(std::string_view json) {
  namespace ws = protocol::ws;
  return Frame::make(ws::header_size(json.size()) + json.size(), [&](char* to) {
    to += ws::write_header(to, ws::Opcode::kText, json.size());
    if (!json.empty()) std::memcpy(to, json.data(), json.size());
  });
}

}  // namespace parley::session
