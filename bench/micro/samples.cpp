#include "samples.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>
#include <unordered_set>

#include "parley/base/bytes.hpp"

namespace parley::micro {
namespace {

/// Below `count`, small ones more often.
std::size_t skewed(Random& random, std::size_t count) { return random() % count * (random() % count) / count; }

/// One of 3,000 Chinese characters. A few are common and many are rare, as in a language: words then share beginnings
/// with each other and with the texts.
std::string ideograph(Random& random) {
  const auto c = static_cast<unsigned>(0x4e00 + skewed(random, 3000));
  return {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
          static_cast<char>(0x80 | (c & 63))};
}

std::string syllables(Random& random, std::size_t count) {
  constexpr std::string_view consonants = "bcdfghjklmnprstvwyz", vowels = "aeiou";
  std::string word;
  for (std::size_t i = 0; i < count; ++i) {
    word += consonants[random() % consonants.size()];
    word += vowels[random() % vowels.size()];
    if (random() % 3 == 0) word += consonants[random() % consonants.size()];
  }
  return word;
}

/// Below `count`, rank r in proportion to 1 / (r + 1): Zipf's law of words.
std::size_t ranked(Random& random, std::size_t count) {
  const double u = static_cast<double>(random() >> 11) * 0x1p-53;
  return static_cast<std::size_t>(std::pow(static_cast<double>(count), u)) - 1;
}

/// What people say is said again and again, which is all that Snappy lives on.
class Vocabulary {
 public:
  Vocabulary() {
    Random random(2);
    for (std::string& word : chinese_) {
      for (std::uint64_t left = 1 + random() % 3; left > 0; --left) word += ideograph(random);
    }
    for (std::string& word : english_) word = syllables(random, 1 + random() % 3);
  }
  const std::string& chinese(Random& random) const { return chinese_[ranked(random, chinese_.size())]; }
  const std::string& english(Random& random) const { return english_[ranked(random, english_.size())]; }

 private:
  std::array<std::string, 3000> chinese_;
  std::array<std::string, 1500> english_;
};

}  // namespace

std::vector<std::string> word_list(std::size_t count) {
  Random random(5);
  std::unordered_set<std::string> known;
  std::vector<std::string> words;
  while (words.size() < count) {
    std::string word;
    if (random() % 3 != 0) {
      const std::uint64_t of_ten = random() % 10;
      const std::size_t length = of_ten == 0 ? 2 : of_ten < 4 ? 3 : of_ten < 8 ? 4 : 4 + of_ten - 7;
      for (std::size_t i = 0; i < length; ++i) word += ideograph(random);
    } else {
      word = syllables(random, 3 + random() % 3);
    }
    if (known.insert(word).second) words.push_back(std::move(word));
  }
  return words;
}

std::string mixed_text(Random& random, std::size_t characters) {
  static const Vocabulary language;
  std::string text;
  // Three bytes a character: so many are needed at most, and the rest is cut off.
  while (text.size() < 3 * characters) {
    for (std::uint64_t words = 3 + random() % 6; words > 0; --words) text += language.chinese(random);
    switch (random() % 4) {
      case 0:
        text += "，";
        break;
      case 1:
        text += "。";
        break;
      default:
        for (std::uint64_t words = 1 + random() % 2; words > 0; --words) {
          std::string word = language.english(random);
          if (random() % 4 == 0) word[0] = static_cast<char>(word[0] - 'a' + 'A');
          text += ' ' + word;
        }
        text += ' ';
        break;
    }
  }
  return first_characters(text, characters);
}

std::vector<std::string> mixed_texts(std::size_t count, std::size_t characters) {
  Random random(7);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) text = mixed_text(random, characters);
  return texts;
}

std::string first_characters(const std::string& text, std::size_t characters) {
  std::size_t end = 0;
  while (end < text.size()) {
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && characters-- == 0) break;
    ++end;
  }
  return text.substr(0, end);
}

std::vector<std::size_t> shuffled(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(3);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

}  // namespace parley::micro
