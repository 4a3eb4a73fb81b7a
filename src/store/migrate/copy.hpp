#pragma once
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "migrate/destination.hpp"
#include "migrate/source.hpp"

namespace parley::store::moving {

/// Copies and compares. `keep` is called between two pieces of work, at most a few thousand rows each.
class Copier {
 public:
  Copier(Source& source, Destination& destination, std::function<void()> keep);

  /// Messages after the last copied position, up to the end as it is met. Answers how many rows were written.
  std::uint64_t messages();
  struct Changes {
    std::uint64_t written = 0, removed = 0;
    Sum here, there;  ///< of one table: the source's rows, and those that PostgreSQL has then
  };
  /// Makes every other table equal to the source.
  Changes tables();

  /// Sums up all messages that are copied on both sides, and remembers the conversations that differ: those that went
  /// on meanwhile. Answers their number.
  std::size_t compare_messages();
  /// While nothing changes any more, after messages() and tables(): sums up again the messages that differed or came
  /// since compare_messages(), and compares the sums of the other tables. Throws std::runtime_error at the first
  /// difference.
  std::vector<MoveReport::Table> verify();

  std::uint64_t missing() { return source_.messages_after(destination_.progress().copied_pos); }

 private:
  using Sums = std::unordered_map<std::uint64_t, Sum>;  // by conversation
  void sum_up(RowStream& rows, Sums& sums);
  Changes synchronise(const Table& table);
  void make_months(const std::vector<Row>& rows);
  void write(const Batch& batch);
  void compare_again(std::vector<std::uint64_t> conversations);

  Source& source_;
  Destination& destination_;
  const std::function<void()> keep_;
  const Table message_;
  std::size_t conv_column_ = 0, time_column_ = 0;
  std::vector<Table> tables_;
  std::vector<Changes> last_;                // of tables(), table by table
  std::unordered_set<std::int64_t> months_;  // whose partitions are there
  std::uint64_t compared_pos_ = 0;
  Sums here_;                               // of the source
  std::unordered_set<std::uint64_t> open_;  // conversations that differed
};

}  // namespace parley::store::moving
