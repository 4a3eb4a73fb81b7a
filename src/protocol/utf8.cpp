#include "utf8.hpp"

#include <simdjson.h>

namespace parley::protocol {

bool valid_utf8(std::string_view text) noexcept { return simdjson::validate_utf8(text.data(), text.size()); }

std::size_t unfinished_utf8(std::string_view text) noexcept {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto* p = reinterpret_cast<const unsigned char*>(text.data() + text.size() - back);
    const unsigned char lead = *p;
    if (lead < 0x80) return 0;
    if (lead < 0xc0) continue;
    const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length <= back) return 0;  // complete; whether it is valid is valid_utf8()'s business
    if (lead < 0xc2 || lead > 0xf4) return std::string_view::npos;
    if (back > 1) {  // the second byte already excludes overlong forms, surrogates and what is above U+10FFFF
      const unsigned char second = p[1];
      if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
          (lead == 0xf4 && second > 0x8f)) {
        return std::string_view::npos;
      }
    }
    return back;
  }
  return 0;
}

}  // namespace parley::protocol
