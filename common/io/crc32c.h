// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 appendix B.4)
// and the masked form that TFRecord files store.
#ifndef SEGPAPERS_COMMON_IO_CRC32C_H_
#define SEGPAPERS_COMMON_IO_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace seg {

uint32_t Crc32c(absl::string_view bytes);

// Rotated right by 15 and shifted by a constant (tensorflow/core/lib/hash/
// crc32c.h), so that the checksum of data with checksums in it is not special.
inline uint32_t MaskedCrc32c(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_CRC32C_H_
