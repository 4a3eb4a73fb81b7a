#pragma once
#include <string>

namespace parley::store::standard {

/// A name for the log of a conversation: six characters of [a-z0-9].
std::string new_epoch();

}  // namespace parley::store::standard
