#include <algorithm>
#include <bit>
#include <numeric>

#include "parley/base/ids.hpp"
#include "word_engine.hpp"

namespace parley::pipeline {
namespace {

constexpr std::uint32_t kRoot = 0;
constexpr std::uint32_t kNone = UINT32_MAX;

/// Aho–Corasick over code points. The edges are in one hash table, because a state has one or two of thousands of
/// possible characters; a bitmap of first characters spares the look-up where no word begins, which is nearly
/// everywhere.
class AhoCorasick final : public WordEngine {
 public:
  explicit AhoCorasick(const std::vector<std::u32string>& forms) {
    std::size_t characters = 0;
    for (const auto& form : forms) characters += form.size();
    edges_.resize(std::max<std::size_t>(std::bit_ceil(2 * characters + 2), 64));
    mask_ = edges_.size() - 1;
    present_.resize(edges_.size() / 8);  // 8 bits a slot, 16 or more an edge: 6 % or less say yes for no reason
    states_.reserve(characters + 1);
    states_.emplace_back();
    std::vector<std::uint32_t> parent{kNone}, depth{0};
    std::vector<char32_t> by{0};
    for (std::uint32_t word = 0; word < forms.size(); ++word) {
      std::uint32_t state = kRoot;
      for (const char32_t c : forms[word]) {
        Edge& edge = slot(state, c);
        if (edge.to == kRoot) {
          edge = {key(state, c), static_cast<std::uint32_t>(states_.size())};
          const std::uint64_t bit = present_bit(mix64(edge.key));
          present_[bit / 64] |= std::uint64_t{1} << (bit % 64);
          parent.push_back(state);
          depth.push_back(depth[state] + 1);
          by.push_back(c);
          states_.emplace_back();
        }
        state = edge.to;
      }
      states_[state].word = word;
      firsts_[forms[word][0] % kFirsts / 64] |= std::uint64_t{1} << (forms[word][0] % 64);
    }
    // Shorter prefixes first: a state's failure is always shorter than the state.
    std::vector<std::uint32_t> order(states_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return depth[a] < depth[b]; });
    for (const std::uint32_t state : order) {
      if (depth[state] < 2) continue;
      std::uint32_t failure = states_[parent[state]].failure;
      std::uint32_t to = target(failure, by[state]);
      while (to == kRoot && failure != kRoot) {
        failure = states_[failure].failure;
        to = target(failure, by[state]);
      }
      states_[state].failure = to;
      states_[state].shorter = states_[to].word != kNone ? to : states_[to].shorter;
    }
  }

  void find(std::span<const Content> text, std::vector<RawHit>& out) const override {
    std::uint32_t state = kRoot;
    for (std::uint32_t at = 0; at < text.size(); ++at) {
      const Content& content = text[at];
      if (!content.joined) state = kRoot;
      if (state == kRoot && !may_begin(content.c)) continue;
      std::uint32_t to = target(state, content.c);
      while (to == kRoot && state != kRoot) {
        state = states_[state].failure;
        to = target(state, content.c);
      }
      state = to;
      for (std::uint32_t hit = states_[state].word != kNone ? state : states_[state].shorter; hit != kRoot;
           hit = states_[hit].shorter) {
        out.push_back({states_[hit].word, at});
      }
    }
  }

 private:
  struct State {
    std::uint32_t failure = kRoot;
    std::uint32_t word = kNone;     ///< that ends here
    std::uint32_t shorter = kRoot;  ///< the next state on the way of failures where a word ends
  };
  struct Edge {
    std::uint64_t key = 0;
    std::uint32_t to = kRoot;  ///< no edge leads to the root: an empty slot
  };
  static constexpr std::size_t kFirsts = 1 << 16;

  static std::uint64_t key(std::uint32_t state, char32_t c) { return std::uint64_t{state} << 21 | c; }
  bool may_begin(char32_t c) const { return (firsts_[c % kFirsts / 64] >> (c % 64) & 1) != 0; }

  /// From the upper bits of the hash; the slot is taken from the lower ones.
  std::uint64_t present_bit(std::uint64_t hash) const { return (hash >> 32) & (present_.size() * 64 - 1); }

  Edge& slot(std::uint32_t state, char32_t c) {
    std::size_t at = mix64(key(state, c)) & mask_;
    while (edges_[at].to != kRoot && edges_[at].key != key(state, c)) at = (at + 1) & mask_;
    return edges_[at];
  }
  std::uint32_t target(std::uint32_t state, char32_t c) const {
    const std::uint64_t wanted = key(state, c), hash = mix64(wanted), bit = present_bit(hash);
    if ((present_[bit / 64] >> (bit % 64) & 1) == 0) return kRoot;
    std::size_t at = hash & mask_;
    while (edges_[at].to != kRoot && edges_[at].key != wanted) at = (at + 1) & mask_;
    return edges_[at].to;
  }

  std::vector<State> states_;
  std::vector<Edge> edges_;  // at most half full
  std::size_t mask_ = 0;
  std::vector<std::uint64_t> present_;
  std::vector<std::uint64_t> firsts_ = std::vector<std::uint64_t>(kFirsts / 64);
};

}  // namespace

std::unique_ptr<WordEngine> make_aho_corasick(const std::vector<std::u32string>& forms) {
  return std::make_unique<AhoCorasick>(forms);
}

}  // namespace parley::pipeline
