#include "crfgrad/filter_pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <vector>

#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace crfgrad {
namespace {

constexpr int64_t kFeatureDim = 5;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// Okabe and Ito's vermillion and blue, told apart by the colour-blind.
constexpr std::array<double, 3> kCost = {213, 94, 0};
constexpr std::array<double, 3> kGain = {0, 114, 178};
constexpr double kGap = 160;
// A tap is a square of so many pixels at most, of less where the picture would
// get larger than kPictureSide.
constexpr int64_t kTapSide = 12;
constexpr int64_t kPictureSide = 1600;

// sheet: [H,W], a pixel a tap.
FilterPicture Enlarged(const at::Tensor& sheet, double scale) {
  const int64_t side = std::max(sheet.size(0), sheet.size(1));
  const int64_t factor = std::clamp<int64_t>(kPictureSide / side, 1, kTapSide);
  return {SignedColours(sheet, scale)
              .repeat_interleave(factor, 1)
              .repeat_interleave(factor, 2)
              .contiguous(),
          scale};
}

double LargestAbsolute(const at::Tensor& x) {
  return x.abs().max().item<double>();
}

}  // namespace

at::Tensor SignedColours(const at::Tensor& values, double scale) {
  const at::Tensor x = values.to(at::kCPU, at::kDouble);
  const at::Tensor share =
      (scale > 0 ? x / scale : at::zeros_like(x)).clamp(-1, 1);
  std::vector<at::Tensor> channels;
  for (size_t c = 0; c < 3; ++c) {
    const at::Tensor colour = 255 + share.clamp_min(0) * (kCost[c] - 255) -
                              share.clamp_max(0) * (kGain[c] - 255);
    channels.push_back(
        at::where(x.isnan(), at::scalar_tensor(kGap, at::kDouble), colour));
  }
  return at::stack(channels).round().to(at::kByte);
}

FilterPicture SpatialPicture(const at::Tensor& filters) {
  const at::Tensor x = filters.detach().to(at::kCPU, at::kDouble);
  const int64_t labels = x.size(0), rows = x.size(2) + 1,
                columns = x.size(3) + 1;
  const at::Tensor sheet = at::constant_pad_nd(x, {0, 1, 0, 1}, kNan)
                               .permute({0, 2, 1, 3})
                               .reshape({labels * rows, labels * columns});
  return Enlarged(
      sheet.slice(0, 0, labels * rows - 1).slice(1, 0, labels * columns - 1),
      LargestAbsolute(x));
}

FilterPicture BilateralPicture(const at::Tensor& filters) {
  const at::Tensor x = filters.detach().to(at::kCPU, at::kDouble);
  const int64_t labels = x.size(0);
  std::vector<at::Tensor> groups;
  for (const std::vector<int64_t>& taps : OffsetsByLength(x.size(2))) {
    const at::Tensor group =
        x.index_select(2, at::tensor(at::IntArrayRef(taps), at::kLong));
    groups.push_back(at::constant_pad_nd(group, {0, 1}, kNan));
  }
  const at::Tensor row = at::cat(groups, 2);
  const at::Tensor sheet = at::constant_pad_nd(row, {0, 0, 0, 1}, kNan)
                               .reshape({labels * (labels + 1), row.size(2)});
  return Enlarged(
      sheet.slice(0, 0, labels * (labels + 1) - 1).slice(1, 0, row.size(2) - 1),
      LargestAbsolute(x));
}

std::vector<std::vector<int64_t>> OffsetsByLength(int64_t taps) {
  const auto offsets = PermutohedralOffsets(
      kFeatureDim, PermutohedralSupport(kFeatureDim, taps));
  std::map<int64_t, std::vector<int64_t>> by_length;
  for (size_t o = 0; o < offsets.size(); ++o) {
    // The square of the length is (d+1) times this: coordinate k of the offset
    // is (d+1) n_k - sum(n).
    int64_t sum = 0, squares = 0;
    for (const int64_t n : offsets[o]) {
      sum += n;
      squares += n * n;
    }
    by_length[(kFeatureDim + 1) * squares - sum * sum].push_back(
        static_cast<int64_t>(o));
  }
  std::vector<std::vector<int64_t>> groups;
  for (auto& [length, group] : by_length) groups.push_back(std::move(group));
  return groups;
}

}  // namespace crfgrad
}  // namespace seg
