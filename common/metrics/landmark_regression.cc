#include "common/metrics/landmark_regression.h"

#include <ATen/ATen.h>

#include <limits>
#include <tuple>
#include <vector>

namespace seg {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor Double(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }

void CheckPairs(const char* what, const char* name, const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 3 && x.size(2) == 2, what, ": ", name,
              " must be [N,?,2], got sizes ", x.sizes());
  TORCH_CHECK(at::isFloatingType(x.scalar_type()), what, ": ", name,
              " must be floating point, got ", x.scalar_type());
}

// bool [N,P] on the CPU; all true where `visible` is undefined.
at::Tensor Visible(const char* what, const at::Tensor& visible,
                   const at::Tensor& landmarks) {
  const std::vector<int64_t> sizes = {landmarks.size(0), landmarks.size(1)};
  if (!visible.defined()) return at::ones(sizes, at::kBool);
  TORCH_CHECK(visible.scalar_type() == at::kBool && visible.sizes() == sizes,
              what, ": visible must be bool ", at::IntArrayRef(sizes), ", got ",
              visible.scalar_type(), " ", visible.sizes());
  return visible.cpu();
}

// b [F,T] with x b = y in the least squares; x [n,F] and y [n,T], n >= 1.
at::Tensor LeastSquares(const at::Tensor& x, const at::Tensor& y) {
  if (x.size(1) == 0) return at::zeros({0, y.size(1)}, at::kDouble);
  const auto [u, s, vh] = at::linalg_svd(x, /*full_matrices=*/false);
  // An inverse of X^T X in double has lost all its digits beyond.
  constexpr double kSingular = 1e-6;
  const bool singular =
      x.size(0) < x.size(1) ||
      !(s[-1].item<double>() > kSingular * s[0].item<double>());
  const at::Tensor gain = s / (s * s + (singular ? 1.0 : 0.0));
  return vh.t().mm(gain.unsqueeze(1) * u.t().mm(y));
}

// i size / (size - 1) for i = 0 .. size - 1.
at::Tensor Grid(int64_t size, const at::TensorOptions& options) {
  const double step =
      size > 1 ? static_cast<double>(size) / static_cast<double>(size - 1)
               : 0.0;
  return at::arange(size, options) * step;
}

}  // namespace

at::Tensor PartCentres(const at::Tensor& masks) {
  TORCH_CHECK(masks.dim() == 4,
              "PartCentres: masks must be [N,K,H,W], got sizes ",
              masks.sizes());
  TORCH_CHECK(at::isFloatingType(masks.scalar_type()),
              "PartCentres: masks must be floating point, got ",
              masks.scalar_type());
  constexpr double kEpsilon = 1e-6;  // the authors' code
  const at::Tensor area = masks.sum({2, 3}) + kEpsilon;
  const at::Tensor rows =
      (masks.sum(3) * Grid(masks.size(2), masks.options())).sum(2);
  const at::Tensor columns =
      (masks.sum(2) * Grid(masks.size(3), masks.options())).sum(2);
  return at::stack({rows / area, columns / area}, -1);
}

LandmarkRegressor LandmarkRegressor::Fit(const at::Tensor& centres,
                                         const at::Tensor& landmarks,
                                         const at::Tensor& visible, bool bias) {
  constexpr char kWhat[] = "LandmarkRegressor";
  CheckPairs(kWhat, "centres", centres);
  CheckPairs(kWhat, "landmarks", landmarks);
  TORCH_CHECK(centres.size(0) == landmarks.size(0), kWhat,
              ": expected landmarks of ", centres.size(0),
              " images as of the centres, got ", landmarks.size(0));
  const at::Tensor seen = Visible(kWhat, visible, landmarks);
  const at::Tensor x =
      Double(centres).reshape({centres.size(0), 2 * centres.size(1)});
  const at::Tensor y = Double(landmarks);
  std::vector<at::Tensor> weights, constants;
  for (int64_t p = 0; p < landmarks.size(1); ++p) {
    const at::Tensor rows = seen.select(1, p).nonzero().squeeze(1);
    if (rows.size(0) == 0) {
      weights.push_back(at::full({x.size(1), 2}, kNan, at::kDouble));
      constants.push_back(at::full({2}, kNan, at::kDouble));
      continue;
    }
    const at::Tensor own_x = x.index_select(0, rows);
    const at::Tensor own_y = y.select(1, p).index_select(0, rows);
    if (!bias) {
      weights.push_back(LeastSquares(own_x, own_y));
      constants.push_back(at::zeros({2}, at::kDouble));
      continue;
    }
    const at::Tensor mean_x = own_x.mean(0);
    const at::Tensor mean_y = own_y.mean(0);
    weights.push_back(LeastSquares(own_x - mean_x, own_y - mean_y));
    constants.push_back(mean_y - weights.back().t().mv(mean_x));
  }
  LandmarkRegressor fitted;
  fitted.weights_ = weights.empty() ? at::zeros({x.size(1), 0}, at::kDouble)
                                    : at::cat(weights, 1);
  fitted.bias_ =
      constants.empty() ? at::zeros({0}, at::kDouble) : at::cat(constants);
  return fitted;
}

at::Tensor LandmarkRegressor::Predict(const at::Tensor& centres) const {
  CheckPairs("LandmarkRegressor", "centres", centres);
  TORCH_CHECK(weights_.defined(), "LandmarkRegressor: not fitted");
  TORCH_CHECK(2 * centres.size(1) == weights_.size(0),
              "LandmarkRegressor: fitted on ", weights_.size(0) / 2,
              " centres, got ", centres.size(1));
  const int64_t images = centres.size(0);
  const at::Tensor x = Double(centres).reshape({images, weights_.size(0)});
  return (x.mm(weights_) + bias_).view({images, bias_.size(0) / 2, 2});
}

double NormalizedLandmarkError(const at::Tensor& predicted,
                               const at::Tensor& landmarks,
                               const at::Tensor& visible, int64_t first,
                               int64_t second) {
  constexpr char kWhat[] = "NormalizedLandmarkError";
  CheckPairs(kWhat, "predicted", predicted);
  TORCH_CHECK(predicted.sizes() == landmarks.sizes(), kWhat,
              ": predicted must have the sizes of landmarks ",
              landmarks.sizes(), ", got ", predicted.sizes());
  const int64_t count = landmarks.size(1);
  TORCH_CHECK(first >= 0 && first < count && second >= 0 && second < count &&
                  first != second,
              kWhat, ": first and second must be two of the ", count,
              " landmarks, got ", first, " and ", second);
  const at::Tensor seen = Visible(kWhat, visible, landmarks);
  const at::Tensor y = Double(landmarks);
  const at::Tensor unit =
      at::linalg_vector_norm(y.select(1, first) - y.select(1, second), 2, 1);
  const at::Tensor errors =
      at::linalg_vector_norm(Double(predicted) - y, 2, -1) / unit.unsqueeze(1);
  const at::Tensor measurable =
      (seen.select(1, first) & seen.select(1, second) & unit.gt(0))
          .unsqueeze(1);
  const at::Tensor kept =
      errors.masked_select(seen & measurable & ~at::isnan(errors));
  return kept.numel() == 0 ? kNan : kept.mean().item<double>();
}

double SumOfMeanAbsoluteErrors(const at::Tensor& predicted,
                               const at::Tensor& landmarks,
                               const at::Tensor& visible) {
  constexpr char kWhat[] = "SumOfMeanAbsoluteErrors";
  CheckPairs(kWhat, "predicted", predicted);
  TORCH_CHECK(predicted.sizes() == landmarks.sizes(), kWhat,
              ": predicted must have the sizes of landmarks ",
              landmarks.sizes(), ", got ", predicted.sizes());
  const at::Tensor errors = (Double(predicted) - Double(landmarks)).abs();
  const at::Tensor kept =
      Visible(kWhat, visible, landmarks).unsqueeze(2) & ~at::isnan(errors);
  if (!kept.any().item<bool>()) return kNan;
  const at::Tensor sums =
      at::where(kept, errors, at::zeros_like(errors)).sum(0);
  return (sums / kept.sum(0).clamp_min(1)).sum().item<double>();
}

}  // namespace seg
