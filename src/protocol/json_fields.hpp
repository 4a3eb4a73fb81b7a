#pragma once
#include <simdjson.h>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace parley::protocol {

/// Fields a client frame may have, whatever its type; those of body and if are flattened.
enum class Field : std::uint8_t {
  kT,
  kId,
  kConv,
  kN,
  kType,
  kBody,
  kIf,
  kDev,
  kVer,
  kRole,
  kToken,
  kVis,
  kEcho,
  kResume,
  kCursors,
  kAfter,
  kBefore,
  kLimit,
  kEpoch,
  kSeq,
  kView,
  kWatch,
  kSince,
  kUpto,
  kOn,
  kValue,
  kBodyText,
  kBodyRef,
  kBodyTo,
  kBodyNote,
  kBodyReason,
  kBodyTarget,
  kIfClaim,
  kCount,
};

/// A JSON value, not interpreted yet.
struct RawValue {
  enum class Kind : std::uint8_t { kNull, kFalse, kTrue, kInteger, kNumber, kString, kObject, kArray };
  /// Of a string that is JSON but not text: it has NUL, or half of a surrogate pair.
  enum class Flaw : std::uint8_t { kNone, kNul, kSurrogate };
  Kind kind = Kind::kNull;
  Flaw flaw = Flaw::kNone;    ///< kString; the first one
  std::uint32_t size = 0;     ///< kString
  char* text = nullptr;       ///< kString: in the message, escapes undone
  std::uint64_t integer = 0;  ///< kInteger: no sign, fraction or exponent, and it fits
};

struct RawCursor {
  std::string_view conv;  ///< escapes undone
  RawValue::Kind kind = RawValue::Kind::kNull;
  unsigned items = 0;
  RawValue epoch, seq;
};

/// The fields of one frame: one pass over the object, in any order of fields; of equal keys the last counts.
/// Everything is checked to be JSON, also what is not known and thrown away: simdjson on demand does not look at
/// what nobody asks for.
class JsonFields {
 public:
  using Object = simdjson::ondemand::object;
  using Value = simdjson::ondemand::value;
  /// False: not JSON, or nested deeper than kDepthMax.
  bool read(Object& object);

  /// nullptr if the field is absent or null.
  RawValue* get(Field field) {
    return has(field) && values_[index(field)].kind != RawValue::Kind::kNull ? &values_[index(field)] : nullptr;
  }
  /// Present, but maybe null.
  bool has(Field field) const { return (present_ >> index(field) & 1) != 0; }
  std::span<RawCursor> cursors() { return cursors_; }

  static constexpr unsigned kDepthMax = 16;
  /// Checks a value of an unknown field to its end.
  static bool consume(Value& value, unsigned depth);

 private:
  static constexpr std::size_t index(Field field) { return static_cast<std::size_t>(field); }
  RawValue& put(Field field) {
    present_ |= std::uint64_t{1} << index(field);
    return values_[index(field)];
  }
  bool read_body(Value& value, RawValue& out);
  bool read_condition(Value& value, RawValue& out);
  bool read_cursors(Value& value, RawValue& out);

  std::array<RawValue, static_cast<std::size_t>(Field::kCount)> values_;
  std::uint64_t present_ = 0;
  std::vector<RawCursor> cursors_;  // keeps its memory from frame to frame
};
static_assert(static_cast<std::size_t>(Field::kCount) <= 64);

}  // namespace parley::protocol
