#pragma once
#include <string>
#include <string_view>

/// Random strings that prove something, and how they are stored.
namespace parley::tenant {

/// 32 bytes. Secrets of 256 random bits are stored as this: without salt, since nobody can guess them.
std::string sha256(std::string_view bytes);

/// `prefix` and 43 characters of base64url: 256 random bits.
std::string make_secret(std::string_view prefix = {});
/// "pk_" and 22 characters: names a site in public pages; not a secret, but not to be guessed either.
std::string make_public_key();

/// Proves that whoever sets the installation up can read the server's console or files: XXXX-XXXX-XXXX (59 bits),
/// without letters and digits that look alike.
std::string make_setup_code();
/// Is `typed` the code, whatever its case, spaces and hyphens? Takes the same time for every wrong code.
bool same_setup_code(std::string_view code, std::string_view typed);
/// `count` characters drawn from that alphabet of 31, all equally likely.
std::string random_letters(std::size_t count);

}  // namespace parley::tenant
