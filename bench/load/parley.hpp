#pragma once
#include <string>

#include "protocol.hpp"

namespace load {

/// parley.v1: visitors write, agents read. Numbers of messages are the protocol's own n.
class Parley : public Protocol {
 public:
  explicit Parley(const Options& options);

  std::string target(const Connection&) const override { return "/ws"; }
  std::string_view subprotocol() const override { return "parley.v1"; }
  void prepare(Connection& c) override;
  void upgraded(Connection& c) override;
  void signing_in(Connection& c, std::string_view text) override;
  void link(Lane& lane, Wire& wire) override;
  void append_send(Lane& lane, std::uint64_t n) override;
  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override;

 protected:
  virtual void acked(Connection& c, std::string_view frame, std::int64_t at, Sink& sink);
  virtual void entry(Connection& c, std::string_view frame, std::int64_t at, Sink& sink);
  virtual void resumed(Connection& c, std::string_view frame, std::int64_t at, Sink& sink);

  void append_text(Lane& lane, std::uint64_t n) const;
  static std::string claim_frame(const Lane& lane);

 private:
  void frame(Connection& c, std::string_view f, std::int64_t at, Sink& sink);

  const std::string end_;  ///< of every message
  const Options& options_;
};

}  // namespace load
