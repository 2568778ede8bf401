#include "common/layers/simplex_projection/simplex_projection_cpu.h"

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "common/layers/simplex_projection/simplex_rows.h"
#include "hwy/aligned_allocator.h"
#include "hwy/base.h"

namespace seg {
namespace {

using simplex::Rows;

// A block of float pixels with all its labels fits in a 32 KiB L1 cache; 16 to
// 512 pixels.
constexpr int64_t kBlockBytes = 32 * 1024;
constexpr int64_t kPixelMultiple = 16;
constexpr int64_t kMaxPixels = 512;

int64_t BlockPixels(int64_t labels) {
  const int64_t fit = kBlockBytes / (4 * labels);
  return std::clamp(fit / kPixelMultiple * kPixelMultiple, kPixelMultiple,
                    kMaxPixels);
}

// Position of a block: image, first pixel, number of pixels.
struct Block {
  int64_t image, first, pixels;
};

Block FindBlock(const SimplexSizes& sizes, int64_t index) {
  const int64_t length = BlockPixels(sizes.labels);
  const int64_t per_image = (sizes.pixels + length - 1) / length;
  const int64_t image = index / per_image;
  const int64_t first = index % per_image * length;
  return {image, first, std::min(length, sizes.pixels - first)};
}

template <typename T>
T* At(const SimplexView<T>& view, const Block& block) {
  return view.data + block.image * view.image_stride +
         block.first * view.pixel_stride;
}

// kLabels labels of a block, from any strides to planar[l * row + p] or back.
template <int kLabels, typename T>
void GatherLabels(const T* from, int64_t label_stride, int64_t pixel_stride,
                  int64_t pixels, T* planar, int64_t row) {
  for (int64_t p = 0; p < pixels; ++p) {
    const T* source = from + p * pixel_stride;
    HWY_UNROLL(8)
    for (int l = 0; l < kLabels; ++l) {
      planar[l * row + p] = source[l * label_stride];
    }
  }
}

template <int kLabels, typename T>
void ScatterLabels(const T* planar, int64_t row, int64_t pixels, T* to,
                   int64_t label_stride, int64_t pixel_stride) {
  for (int64_t p = 0; p < pixels; ++p) {
    T* target = to + p * pixel_stride;
    HWY_UNROLL(8)
    for (int l = 0; l < kLabels; ++l) {
      target[l * label_stride] = planar[l * row + p];
    }
  }
}

template <typename T>
void Gather(const T* from, int64_t label_stride, int64_t pixel_stride,
            int64_t labels, int64_t pixels, T* planar, int64_t row) {
  int64_t l = 0;
  const auto copy = [&](auto count) {
    for (; l + count() <= labels; l += count()) {
      GatherLabels<count()>(from + l * label_stride, label_stride, pixel_stride,
                            pixels, planar + l * row, row);
    }
  };
  copy(std::integral_constant<int, 8>());
  copy(std::integral_constant<int, 4>());
  copy(std::integral_constant<int, 2>());
  copy(std::integral_constant<int, 1>());
}

template <typename T>
void Scatter(const T* planar, int64_t row, int64_t labels, int64_t pixels,
             T* to, int64_t label_stride, int64_t pixel_stride) {
  int64_t l = 0;
  const auto copy = [&](auto count) {
    for (; l + count() <= labels; l += count()) {
      ScatterLabels<count()>(planar + l * row, row, pixels,
                             to + l * label_stride, label_stride, pixel_stride);
    }
  };
  copy(std::integral_constant<int, 8>());
  copy(std::integral_constant<int, 4>());
  copy(std::integral_constant<int, 2>());
  copy(std::integral_constant<int, 1>());
}

// Runs `solve(rows, pixels)` on one block: in place for the whole vectors of
// planar memory, through `staging` (3 planar arrays of labels * row) for the
// rest and for other layouts.
template <typename T, typename Solve>
void RunBlock(const SimplexSizes& sizes, const Block& block,
              const SimplexView<const T>& x, const SimplexView<const T>& g,
              const SimplexView<T>& y, int64_t lanes, int64_t row, T* staging,
              const Solve& solve) {
  const T* from = At(x, block);
  const T* gradient = g.data == nullptr ? nullptr : At(g, block);
  T* to = At(y, block);
  const bool planar = x.pixel_stride == 1 && y.pixel_stride == 1 &&
                      (gradient == nullptr || g.pixel_stride == 1);
  int64_t done = 0;
  if (planar) {
    done = block.pixels / lanes * lanes;
    solve(Rows<T>{from, x.label_stride, gradient, g.label_stride, to,
                  y.label_stride},
          done);
  }
  const int64_t rest = block.pixels - done;
  if (rest == 0) return;
  // Unused lanes hold zeros, a valid pixel.
  const int64_t padded = (rest + lanes - 1) / lanes * lanes;
  const auto stage = [&](const T* data, const SimplexView<const T>& view,
                         T* planar_copy) {
    Gather(data + done * view.pixel_stride, view.label_stride,
           view.pixel_stride, sizes.labels, rest, planar_copy, row);
    for (int64_t l = 0; l < sizes.labels; ++l) {
      std::fill(planar_copy + l * row + rest, planar_copy + l * row + padded,
                T(0));
    }
  };
  const int64_t plane = sizes.labels * row;
  stage(from, x, staging);
  if (gradient != nullptr) stage(gradient, g, staging + plane);
  T* result = staging + 2 * plane;
  solve(Rows<T>{staging, row, gradient == nullptr ? nullptr : staging + plane,
                row, result, row},
        padded);
  Scatter(result, row, sizes.labels, rest, to + done * y.pixel_stride,
          y.label_stride, y.pixel_stride);
}

}  // namespace

int64_t SimplexBlocks(const SimplexSizes& sizes) {
  const int64_t length = BlockPixels(sizes.labels);
  return sizes.images * ((sizes.pixels + length - 1) / length);
}

template <typename T>
void SimplexForward(const SimplexSizes& sizes, const SimplexView<const T>& x,
                    const SimplexView<const T>& gradient, T step, T leak,
                    const SimplexView<T>& y, int64_t begin, int64_t end) {
  const int64_t lanes = simplex::VectorLanes<T>();
  const int64_t row = BlockPixels(sizes.labels);
  const auto staging = hwy::AllocateAligned<T>(3 * sizes.labels * row);
  const auto scratch =
      hwy::AllocateAligned<T>(simplex::ScratchSize<T>(sizes.labels));
  for (int64_t i = begin; i < end; ++i) {
    RunBlock(sizes, FindBlock(sizes, i), x, gradient, y, lanes, row,
             staging.get(), [&](const Rows<T>& rows, int64_t pixels) {
               simplex::ProjectRows(rows, sizes.labels, pixels, step, leak,
                                    scratch.get());
             });
  }
}

template <typename T>
void SimplexBackward(const SimplexSizes& sizes, const SimplexView<const T>& y,
                     const SimplexView<const T>& g, T leak,
                     const SimplexView<T>& r, int64_t begin, int64_t end) {
  const int64_t lanes = simplex::VectorLanes<T>();
  const int64_t row = BlockPixels(sizes.labels);
  const auto staging = hwy::AllocateAligned<T>(3 * sizes.labels * row);
  for (int64_t i = begin; i < end; ++i) {
    RunBlock(sizes, FindBlock(sizes, i), y, g, r, lanes, row, staging.get(),
             [&](const Rows<T>& rows, int64_t pixels) {
               simplex::BackwardRows(rows, sizes.labels, pixels, leak);
             });
  }
}

template void SimplexForward(const SimplexSizes&,
                             const SimplexView<const float>&,
                             const SimplexView<const float>&, float, float,
                             const SimplexView<float>&, int64_t, int64_t);
template void SimplexForward(const SimplexSizes&,
                             const SimplexView<const double>&,
                             const SimplexView<const double>&, double, double,
                             const SimplexView<double>&, int64_t, int64_t);
template void SimplexBackward(const SimplexSizes&,
                              const SimplexView<const float>&,
                              const SimplexView<const float>&, float,
                              const SimplexView<float>&, int64_t, int64_t);
template void SimplexBackward(const SimplexSizes&,
                              const SimplexView<const double>&,
                              const SimplexView<const double>&, double,
                              const SimplexView<double>&, int64_t, int64_t);

}  // namespace seg
