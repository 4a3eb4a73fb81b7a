#include "parley/store/dead_letters.hpp"

#include <stdexcept>

#include "postgres/pg_connection.hpp"
#include "standard/dead_letters.hpp"

namespace parley::store {
namespace {

PgOptions options_of(const std::string& conninfo) {
  PgOptions options;
  options.conninfo = conninfo;
  return options;
}

const char* text_of(standard::DeadLetter::State state) {
  switch (state) {
    case standard::DeadLetter::State::kWaiting:
      return "waiting";
    case standard::DeadLetter::State::kReplayed:
      return "replayed";
    case standard::DeadLetter::State::kGivenUp:
      break;
  }
  return "given_up";
}

DeadLetterView view_of(const standard::DeadLetter& letter) {
  DeadLetterView view;
  view.id = letter.id;
  view.conversation = letter.conv.str();
  view.seq = letter.seq;
  view.reason = letter.reason;
  view.created_ns = letter.created_ns;
  view.state = text_of(letter.state);
  return view;
}

/// Runs `work` in a transaction, kept if `work` says so.
template <class Work>
void in_transaction(const std::string& conninfo, Work work) {
  try {
    PgConnection db(options_of(conninfo));
    db.begin();
    work(db) ? db.commit() : db.rollback();
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: ") + error.what());
  }
}

}  // namespace

std::vector<DeadLetterView> dead_letters(const std::string& conninfo, std::int64_t after, unsigned limit) {
  std::vector<DeadLetterView> views;
  in_transaction(conninfo, [&](Sql& sql) {
    for (const standard::DeadLetter& letter : standard::list_dead_letters(sql, after, limit))
      views.push_back(view_of(letter));
    return false;
  });
  return views;
}

std::optional<DeadLetterView> dead_letter(const std::string& conninfo, std::int64_t id) {
  std::optional<DeadLetterView> view;
  in_transaction(conninfo, [&](Sql& sql) {
    if (const auto detail = standard::show_dead_letter(sql, id)) {
      view = view_of(detail->letter);
      view->kind = detail->kind;
      view->sender = detail->sender;
      view->body = detail->body;
      view->sent_ns = detail->ts_ns;
    }
    return false;
  });
  return view;
}

std::string replay_dead_letter(const std::string& conninfo, std::int64_t id) {
  std::string reason;
  in_transaction(conninfo, [&](Sql& sql) {
    const standard::Replayed replayed = standard::replay_dead_letter(sql, id);
    reason = replayed.reason;
    return replayed.done;
  });
  return reason;
}

}  // namespace parley::store
