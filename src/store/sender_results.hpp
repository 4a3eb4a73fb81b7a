#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "parley/domain/sender.hpp"

namespace parley::store {

/// The remembered answers of a sender as the tables sender_state keep them, oldest first: 41 bytes per answer, little
/// endian: n, hash, seq, ts_ns, id, code.
void encode_results(const domain::SenderState& state, std::string& out);
std::vector<domain::SendResult> decode_results(std::string_view bytes);
/// Oldest first.
std::vector<domain::SendResult> results_of(const domain::SenderState& state);

}  // namespace parley::store
