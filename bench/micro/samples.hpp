#pragma once
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

/// Texts and words that look like a chat in Chinese and English; the same in every run. Many different ones, because a
/// processor learns a single text by heart.
namespace parley::micro {

using Random = std::mt19937_64;

/// `count` different words: two thirds Chinese of 2 to 6 characters, the others English of 5 letters or more.
std::vector<std::string> word_list(std::size_t count);
/// A text of `characters` code points: two thirds Chinese, with punctuation and English words between.
std::string mixed_text(Random& random, std::size_t characters);
/// `count` of them.
std::vector<std::string> mixed_texts(std::size_t count, std::size_t characters);
/// The first `characters` code points of `text`.
std::string first_characters(const std::string& text, std::size_t characters);
/// 0 … count - 1 in random order: what a reactor with that many sessions touches next is never what lies beside.
std::vector<std::size_t> shuffled(std::size_t count);

}  // namespace parley::micro
