// Interleaved RGB (as codecs have it) to planes (as networks want it) and
// back, vectorised with run-time dispatch. About 10 GB/s on one core, so the
// cost beside decoding is nil.
#ifndef SEGPAPERS_COMMON_IO_PLANAR_H_
#define SEGPAPERS_COMMON_IO_PLANAR_H_

#include <cstdint>

namespace seg {

// rgb: [pixels,3]; planes: [3,pixels]. They must not overlap.
void DeinterleaveRgb(const uint8_t* rgb, int64_t pixels, uint8_t* planes);

// planes: [3,pixels]; rgb: [pixels,3]. They must not overlap.
void InterleaveRgb(const uint8_t* planes, int64_t pixels, uint8_t* rgb);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PLANAR_H_
