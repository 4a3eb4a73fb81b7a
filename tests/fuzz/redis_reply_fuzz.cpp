// Any bytes from a server: no crash, no memory beyond what was sent, and however they are cut into pieces the same
// replies come out.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "redis/reply_reader.hpp"

namespace {

using parley::store::redis::Reply;
using parley::store::redis::ReplyReader;

struct Read {
  std::vector<Reply> replies;
  bool broken = false;
};

/// `piece`: bytes that come at once; 0: all.
Read read_all(std::string_view bytes, std::size_t piece) {
  Read read;
  ReplyReader reader;
  while (!read.broken && !bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
    bytes.remove_prefix(part.size());
    reader.feed(part.data(), part.size());
    for (Reply reply;;) {
      const ReplyReader::State state = reader.next(reply);
      if (state == ReplyReader::State::kReply) {
        read.replies.push_back(std::move(reply));
        continue;
      }
      read.broken = state == ReplyReader::State::kBroken;
      if (read.broken) parley::fuzz::require(!reader.error().empty(), "with a reason");
      break;
    }
  }
  return read;
}

bool same(const Reply& a, const Reply& b) {
  return a.type == b.type && a.integer == b.integer && a.text == b.text &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same);
}

void write(std::string& out, const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kNil:
      out += "$-1\r\n";
      break;
    case Reply::Type::kInteger:
      out += ":" + std::to_string(reply.integer) + "\r\n";
      break;
    case Reply::Type::kString:
      out += "$" + std::to_string(reply.text.size()) + "\r\n" + reply.text + "\r\n";
      break;
    case Reply::Type::kStatus:
      out += "+" + reply.text + "\r\n";
      break;
    case Reply::Type::kError:
      out += "-" + reply.text + "\r\n";
      break;
    case Reply::Type::kArray:
      out += "*" + std::to_string(reply.items.size()) + "\r\n";
      for (const Reply& item : reply.items) write(out, item);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parley::fuzz::Input input(data, size);
  const std::size_t piece = input.byte() % 16 + 1;
  const Read whole = read_all(input.rest(), 0), cut = read_all(input.rest(), piece);
  parley::fuzz::require(whole.broken == cut.broken, "the pieces decide nothing");
  parley::fuzz::require(
      std::equal(whole.replies.begin(), whole.replies.end(), cut.replies.begin(), cut.replies.end(), same),
      "the same replies");
  std::string again;
  for (const Reply& reply : whole.replies) write(again, reply);
  const Read back = read_all(again, 0);
  parley::fuzz::require(!back.broken && std::equal(whole.replies.begin(), whole.replies.end(), back.replies.begin(),
                                                   back.replies.end(), same),
                        "round trip");
  return 0;
}
