#include "common/io/crc32c.h"

#include <array>

namespace seg {
namespace {

using Table = std::array<uint32_t, 256>;

Table MakeTable() {
  Table table;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
    }
    table[i] = value;
  }
  return table;
}

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  static const Table table = MakeTable();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) {
    crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  }
  return ~crc;
}

}  // namespace seg
