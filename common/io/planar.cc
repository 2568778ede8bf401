#include "common/io/planar.h"

#include <cstddef>

// Highway compiles the part between HWY_BEFORE_NAMESPACE and
// HWY_AFTER_NAMESPACE once for each instruction set by including this file.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/io/planar.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void Deinterleave(const uint8_t* HWY_RESTRICT rgb, size_t pixels,
                  uint8_t* HWY_RESTRICT planes) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  uint8_t* HWY_RESTRICT red = planes;
  uint8_t* HWY_RESTRICT green = planes + pixels;
  uint8_t* HWY_RESTRICT blue = planes + 2 * pixels;
  size_t i = 0;
  for (; i + lanes <= pixels; i += lanes) {
    hn::Vec<decltype(d)> r, g, b;
    hn::LoadInterleaved3(d, rgb + 3 * i, r, g, b);
    hn::StoreU(r, d, red + i);
    hn::StoreU(g, d, green + i);
    hn::StoreU(b, d, blue + i);
  }
  for (; i < pixels; ++i) {
    red[i] = rgb[3 * i];
    green[i] = rgb[3 * i + 1];
    blue[i] = rgb[3 * i + 2];
  }
}

void Interleave(const uint8_t* HWY_RESTRICT planes, size_t pixels,
                uint8_t* HWY_RESTRICT rgb) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  const uint8_t* HWY_RESTRICT red = planes;
  const uint8_t* HWY_RESTRICT green = planes + pixels;
  const uint8_t* HWY_RESTRICT blue = planes + 2 * pixels;
  size_t i = 0;
  for (; i + lanes <= pixels; i += lanes) {
    hn::StoreInterleaved3(hn::LoadU(d, red + i), hn::LoadU(d, green + i),
                          hn::LoadU(d, blue + i), d, rgb + 3 * i);
  }
  for (; i < pixels; ++i) {
    rgb[3 * i] = red[i];
    rgb[3 * i + 1] = green[i];
    rgb[3 * i + 2] = blue[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(Deinterleave);
HWY_EXPORT(Interleave);

void DeinterleaveRgb(const uint8_t* rgb, int64_t pixels, uint8_t* planes) {
  HWY_DYNAMIC_DISPATCH(Deinterleave)
  (rgb, static_cast<size_t>(pixels), planes);
}

void InterleaveRgb(const uint8_t* planes, int64_t pixels, uint8_t* rgb) {
  HWY_DYNAMIC_DISPATCH(Interleave)
  (planes, static_cast<size_t>(pixels), rgb);
}

}  // namespace seg
#endif  // HWY_ONCE
