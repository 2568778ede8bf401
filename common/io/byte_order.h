// Little- and big-endian numbers out of and into bytes.
#ifndef SEGPAPERS_COMMON_IO_BYTE_ORDER_H_
#define SEGPAPERS_COMMON_IO_BYTE_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace seg {

// The unsigned number of `count` <= 8 bytes at `at`, which the caller has
// checked to lie within `bytes`.
inline uint64_t LoadLittle(absl::string_view bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  }
  return value;
}
inline uint64_t LoadBig(absl::string_view bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  }
  return value;
}

inline void AppendLittle(uint64_t value, int count, std::string* bytes) {
  for (int i = 0; i < count; ++i) {
    bytes->push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_BYTE_ORDER_H_
