#pragma once
#include "sqlite_database.hpp"
#include "writer.hpp"

namespace parley::store {

/// Journal over the writer thread, which knows what is newest, and the readers, which have the history.
class SqliteJournal final : public Journal {
 public:
  SqliteJournal(Writer& writer, Database& database) : writer_(writer), database_(database) {}
  bool submit(std::vector<Append>&& batch, OnAppended done) override;
  asio::awaitable<Result<std::optional<ConversationState>>> load(ConversationId conv) override;
  asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(ChannelId channel, VisitorId visitor) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(TenantId tenant) override;
  asio::awaitable<Result<Page>> read(ConversationId conv, Range range) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> closed_conversations(TenantId tenant,
                                                                                      std::uint64_t before,
                                                                                      unsigned limit) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> changed_conversations(TenantId tenant,
                                                                                       std::uint64_t since,
                                                                                       unsigned limit) override;
  void save_marks(std::vector<Mark> marks) override { writer_.save_marks(std::move(marks)); }
  asio::awaitable<Result<std::vector<Mark>>> load_marks(ConversationId conv) override;
  Health health() const override { return writer_.health(); }

 private:
  Writer& writer_;
  Database& database_;
};

}  // namespace parley::store
