#pragma once
#include <chrono>
#include <pqxx/connection_base>
#include <pqxx/connectionpolicy>
#include <string>
#include <string_view>

namespace parley::store {

/// A connection of libpqxx that is made once and never again, and the only place that calls libpq itself, for what
/// libpqxx 6 does not have: our words beside the operator's, and COPY of anything but lines of text.
/// Throws libpqxx's exceptions. Waits without end, but while it is being made.
class PgLink final : public pqxx::connection_base {
 public:
  /// `conninfo` goes before our words. libpq counts whole seconds, at least 2, for each address.
  PgLink(const std::string& conninfo, std::chrono::milliseconds connect, std::chrono::milliseconds unsent);
  ~PgLink() { close(); }

  std::string reason() const;  ///< what libpq says of the last failure

  /// Behind a statement "copy … from stdin".
  void copy_put(std::string_view piece);
  std::uint64_t copy_end();  ///< rows
  /// Behind a statement "copy … to stdout". False: that was all.
  bool copy_next(std::string& piece);

 private:
  class Policy final : public pqxx::connectionpolicy {
   public:
    Policy(const std::string& conninfo, std::chrono::milliseconds connect, std::chrono::milliseconds unsent);
    handle do_startconnect(handle present) override;
    handle do_disconnect(handle present) noexcept override;
    handle present() const noexcept { return present_; }

   private:
    const std::string connect_s_, unsent_ms_;
    handle present_ = nullptr;
    bool used_ = false;
  };
  std::uint64_t copy_result();

  Policy policy_;
};

}  // namespace parley::store
