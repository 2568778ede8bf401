#include "spn/pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "common/backbones/unet.h"

namespace seg {
namespace spn {
namespace {

constexpr std::array<ScanDirection, 4> kDirections = {
    ScanDirection::kLeftToRight, ScanDirection::kRightToLeft,
    ScanDirection::kTopToBottom, ScanDirection::kBottomToTop};

// Half the side of the square that marks a pixel.
constexpr int64_t kMark = 3;

// Raw gates of one direction out of all: blocks of K C channels, in order.
at::Tensor DirectionGates(const at::Tensor& gates, ScanDirection direction) {
  const int64_t block = gates.size(1) / 4;
  return gates.narrow(1, static_cast<int64_t>(direction) * block, block);
}

// 1 at (lane, step) whose source, `offset` lanes away in the step before, lies
// inside. [H,W].
at::Tensor SourceInside(int64_t height, int64_t width, ScanDirection direction,
                        int64_t offset) {
  at::Tensor inside = at::ones({height, width}, at::kBool);
  const bool horizontal = direction == ScanDirection::kLeftToRight ||
                          direction == ScanDirection::kRightToLeft;
  const bool forward = direction == ScanDirection::kLeftToRight ||
                       direction == ScanDirection::kTopToBottom;
  const int64_t step_axis = horizontal ? 1 : 0;
  const int64_t lane_axis = 1 - step_axis;
  inside.select(step_axis, forward ? 0 : inside.size(step_axis) - 1).fill_(0);
  if (offset < 0) inside.select(lane_axis, 0).fill_(0);
  if (offset > 0) {
    inside.select(lane_axis, inside.size(lane_axis) - 1).fill_(0);
  }
  return inside;
}

at::Tensor ToBytes(const at::Tensor& x) {
  return x.mul(255).round().clamp(0, 255).to(at::kCPU, at::kByte);
}

// Black over red and yellow to white, for values in [0,1]: [H,W] -> [3,H,W].
at::Tensor Heat(const at::Tensor& x) {
  return at::stack({x.mul(3).clamp(0, 1), x.mul(3).sub(1).clamp(0, 1),
                    x.mul(3).sub(2).clamp(0, 1)});
}

}  // namespace

at::Tensor NormalizedGates(const at::Tensor& gates, ScanDirection direction,
                           const SpatialPropagationOptions& options) {
  const int64_t connections = options.three_way() ? 3 : 1;
  const int64_t channels = gates.size(1) / connections;
  at::Tensor g = gates.view(
      {gates.size(0), connections, channels, gates.size(2), gates.size(3)});
  std::vector<at::Tensor> inside;
  for (int64_t k = 0; k < connections; ++k) {
    inside.push_back(SourceInside(g.size(3), g.size(4), direction,
                                  options.three_way() ? k - 1 : 0));
  }
  const at::Tensor valid =
      at::stack(inside).to(g.device()).view({1, connections, 1, g.size(3), -1});
  const at::Tensor used = at::where(valid, g, at::zeros({}, g.options()));
  const GateNormalization rule = options.normalization();
  if (rule == GateNormalization::kNone) return used.flatten(1, 2);
  const bool tanh = rule == GateNormalization::kTanh;
  const at::Tensor values = tanh ? used.tanh() : used;
  at::Tensor sum = (options.sum_all_gates() ? (tanh ? g.tanh() : g) : values)
                       .abs()
                       .sum(1, /*keepdim=*/true);
  if (rule == GateNormalization::kDivide) {
    sum = sum.clamp_min(kGateDivideFloor);
  } else if (rule == GateNormalization::kDividePlus) {
    sum = sum + kGateDividePlusEpsilon;
  } else {
    sum = sum.clamp_min(1.0);
  }
  return (values / sum).flatten(1, 2);
}

at::Tensor GatesPicture(const at::Tensor& gates,
                        const SpatialPropagationOptions& options) {
  std::vector<at::Tensor> panels;
  for (const ScanDirection direction : kDirections) {
    const at::Tensor p =
        NormalizedGates(DirectionGates(gates, direction), direction, options);
    const int64_t connections = options.three_way() ? 3 : 1;
    const at::Tensor mean =
        p.view({connections, -1, p.size(2), p.size(3)}).mean(1);
    panels.push_back(ToBytes(mean.expand({3, -1, -1}).add(1).mul(0.5)));
  }
  return SideBySide(panels);
}

at::Tensor AffinityPicture(const at::Tensor& image, const at::Tensor& gates,
                           int64_t x, int64_t y, int64_t units,
                           const SpatialPropagationOptions& options) {
  const int64_t height = image.size(1);
  const int64_t width = image.size(2);
  TORCH_CHECK(x >= 0 && x < width && y >= 0 && y < height,
              "predict.affinity: expected a pixel [x, y] of the image of ",
              width, "x", height, ", got [", x, ", ", y, "]");
  const int64_t channels = gates.size(1) / (options.three_way() ? 12 : 4);
  at::Tensor impulse =
      at::zeros({1, channels, gates.size(2), gates.size(3)}, gates.options());
  // Half of the image's size, or less where refine.pad_to made it smaller.
  const int64_t row = y * gates.size(2) / height;
  const int64_t column = x * gates.size(3) / width;
  impulse.select(3, column).select(2, row).fill_(1);
  const auto draw = [&](const at::Tensor& response) {
    at::Tensor strength = response.abs().mean(1)[0];
    at::Tensor rest = strength.clone();
    rest[row][column] = 0;
    strength = (strength / rest.max().clamp_min(1e-12)).clamp(0, 1);
    strength =
        ResizeTo(strength.unsqueeze(0).unsqueeze(0), height, width)[0][0].to(
            at::kCPU);
    const at::Tensor grey =
        image.to(at::kFloat).mean(0, /*keepdim=*/true).div(255 * 3);
    return ToBytes(grey + Heat(strength));
  };
  at::Tensor marked = image.clone();
  const int64_t top = std::max<int64_t>(0, y - kMark);
  const int64_t left = std::max<int64_t>(0, x - kMark);
  at::Tensor mark = marked.narrow(1, top, std::min(height, y + kMark + 1) - top)
                        .narrow(2, left, std::min(width, x + kMark + 1) - left);
  mark.copy_(at::tensor(at::ArrayRef<uint8_t>({255, 0, 0})).view({3, 1, 1}));
  std::vector<at::Tensor> panels = {marked};
  for (const ScanDirection direction : kDirections) {
    panels.push_back(draw(SpatialPropagationScan(
        impulse, DirectionGates(gates, direction), direction, options)));
  }
  at::Tensor cascade = impulse;
  for (int64_t i = 0; i < units; ++i) {
    cascade = SpatialPropagation(cascade, gates, options);
  }
  panels.push_back(draw(cascade));
  return SideBySide(panels);
}

}  // namespace spn
}  // namespace seg
