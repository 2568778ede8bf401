#include "crfgrad/crf_layer.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "common/layers/label_convolution/label_convolution.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "common/layers/permutohedral/taps.h"
#include "common/layers/simplex_projection/simplex_projection.h"
#include "crfgrad/energy.h"

namespace seg {

SEG_DEFINE_ENUM(BilateralOrder, {BilateralOrder::kXYRGB, "xyrgb"},
                {BilateralOrder::kYXBGR, "yxbgr"})

namespace crfgrad {

SEG_DEFINE_ENUM(TermMode, {TermMode::kOff, "off"},
                {TermMode::kLearned, "learned"},
                {TermMode::kGaussian, "gaussian"})
SEG_DEFINE_ENUM(CrfStart, {CrfStart::kDiagonal, "diagonal"},
                {CrfStart::kPotts, "potts"})
SEG_DEFINE_ENUM(CrfInitial, {CrfInitial::kUnary, "unary"},
                {CrfInitial::kUniform, "uniform"})
SEG_DEFINE_CONFIG(SpatialConfig, mode, radius, theta, weight, mask_centre, tied)
SEG_DEFINE_CONFIG(BilateralConfig, mode, theta_position, theta_colour, weight,
                  support, tied, order)
SEG_DEFINE_CONFIG(CrfConfig, iterations, step, leak, unary_weight, epsilon,
                  start, initial, spatial, bilateral)
namespace {

constexpr int64_t kFeatureDim = 5;  // x, y and three colours

// [L,L]: what multiplies the unit Gaussian at the start.
at::Tensor StartSigns(bool potts, int64_t num_labels) {
  const at::Tensor eye = at::eye(num_labels, at::kFloat);
  return potts ? 1 - eye : -eye;
}

// What YAML is checked for, where a program fills in the struct itself.
void CheckConfig(const CrfConfig& config) {
  const nlohmann::json tree(config);
  const auto checked = MergeConfig(tree, CrfConfig::Rules(), ToYaml(tree),
                                   "CrfLayer: the configuration", {});
  TORCH_CHECK(checked.ok(), checked.status().message());
}

}  // namespace

std::vector<KeyRule> CrfConfig::Rules() {
  return {{"iterations", 0, 1000},
          {"step", 0, 1000},
          {"leak", 0, 1},
          {"unary_weight", -1e6, 1e6},
          {"epsilon", 1e-12, 1},
          OneOf<CrfStart>("start"),
          OneOf<CrfInitial>("initial"),
          OneOf<TermMode>("spatial.mode"),
          {"spatial.radius", 0, 64},
          {"spatial.theta", 1e-6, 1e6},
          {"spatial.weight", -1e6, 1e6},
          OneOf<TermMode>("bilateral.mode"),
          {"bilateral.theta_position", 1e-3, 1e6},
          {"bilateral.theta_colour", 1e-3, 1e6},
          {"bilateral.weight", -1e6, 1e6},
          {"bilateral.support", 1, 3},
          OneOf<BilateralOrder>("bilateral.order")};
}

at::Tensor CrfUnary(const at::Tensor& z, const CrfFilters& filters,
                    double epsilon) {
  return -filters.unary_weight * at::log(z + epsilon);
}

at::Tensor CrfPairwise(const at::Tensor& q, const CrfFilters& filters,
                       const LatticeVector& lattices) {
  at::Tensor sum;
  if (filters.spatial.defined()) sum = LabelConvolution(q, filters.spatial);
  if (filters.bilateral.defined()) {
    const at::Tensor filtered =
        PermutohedralFilter(q, filters.bilateral, lattices);
    sum = sum.defined() ? sum + filtered : filtered;
  }
  return sum;
}

at::Tensor ProjectedGradientDescent(const at::Tensor& z,
                                    const CrfFilters& filters,
                                    const LatticeVector& lattices,
                                    const CrfConfig& config,
                                    std::vector<at::Tensor>* states) {
  const at::Tensor unary = CrfUnary(z, filters, config.epsilon);
  at::Tensor q = config.initial == CrfInitial::kUniform
                     ? at::full_like(z, 1.0 / static_cast<double>(z.size(1)))
                     : z;
  if (states != nullptr) states->assign(1, q.detach());
  for (int64_t t = 0; t < config.iterations; ++t) {
    const at::Tensor pairwise = CrfPairwise(q, filters, lattices);
    const at::Tensor gradient = pairwise.defined() ? unary + pairwise : unary;
    q = SimplexProjectionStep(q, gradient, config.step, config.leak);
    if (states != nullptr) states->push_back(q.detach());
  }
  return q;
}

CrfLayerImpl::CrfLayerImpl(const CrfConfig& config, int64_t num_labels)
    : config_(config), num_labels_(num_labels) {
  TORCH_CHECK(num_labels >= 1, "CrfLayer: num_labels must be positive, got ",
              num_labels);
  CheckConfig(config);
  unary_weight_ = register_parameter(
      "unary_weight", at::full({1}, config.unary_weight, at::kFloat));
  const SpatialConfig& spatial = config.spatial;
  const bool potts = config.start == CrfStart::kPotts;
  if (spatial.mode != TermMode::kOff) {
    spatial_ = register_module(
        "spatial",
        LabelConvolutionLayer(LabelConvolutionLayerOptions(num_labels)
                                  .radius(spatial.radius)
                                  .tied(spatial.tied)
                                  .mask_centre(spatial.mask_centre)));
    GaussianPottsOptions gaussian;
    gaussian.theta = spatial.theta;
    gaussian.weight = spatial.weight;
    gaussian.form = potts ? PottsForm::kCost : PottsForm::kDiagonal;
    gaussian.mask_centre = spatial.mask_centre;
    FillGaussianPotts(spatial_->weight(), gaussian);
    spatial_->weight().set_requires_grad(spatial.mode == TermMode::kLearned);
  }
  const BilateralConfig& bilateral = config.bilateral;
  if (bilateral.mode != TermMode::kOff) {
    const at::Tensor taps =
        PermutohedralGaussianTaps(kFeatureDim, bilateral.support)
            .to(at::kFloat);
    bilateral_filter_ = register_parameter(
        "bilateral_filter",
        StartSigns(potts, num_labels).unsqueeze(2) * taps.view({1, 1, -1}) *
            bilateral.weight,
        /*requires_grad=*/bilateral.mode == TermMode::kLearned);
  }
}

void CrfLayerImpl::CheckInput(const at::Tensor& z,
                              const LatticeVector& lattices) const {
  TORCH_CHECK(z.dim() == 4 && z.size(1) == num_labels_,
              "CrfLayer: z must be [N,", num_labels_, ",H,W], got ", z.sizes());
  TORCH_CHECK(z.scalar_type() == unary_weight_.scalar_type(),
              "CrfLayer: z must have the layer's type ",
              unary_weight_.scalar_type(), ", got ", z.scalar_type());
  TORCH_CHECK(
      !uses_lattice() || static_cast<int64_t>(lattices.size()) == z.size(0),
      "CrfLayer: expected one lattice an image, ", z.size(0), ", got ",
      lattices.size());
}

LatticeVector CrfLayerImpl::BuildLattices(const at::Tensor& images) const {
  if (!uses_lattice()) return {};
  return BuildBilateralLattices(images, config_.bilateral.theta_position,
                                config_.bilateral.theta_colour, /*threads=*/0,
                                config_.bilateral.order);
}

CrfFilters CrfLayerImpl::filters() const {
  CrfFilters applied;
  applied.unary_weight = unary_weight_;
  if (!spatial_.is_empty()) applied.spatial = spatial_->kernel();
  applied.bilateral = bilateral_filter_;
  if (bilateral_filter_.defined() && config_.bilateral.tied) {
    applied.bilateral = TiedPermutohedralFilter(bilateral_filter_, kFeatureDim);
  }
  return applied;
}

at::Tensor CrfLayerImpl::forward(const at::Tensor& z,
                                 const LatticeVector& lattices,
                                 std::vector<at::Tensor>* states) {
  CheckInput(z, lattices);
  return ProjectedGradientDescent(z, filters(), lattices, config_, states);
}

at::Tensor CrfLayerImpl::Energy(const at::Tensor& z, const at::Tensor& q,
                                const LatticeVector& lattices) {
  CheckInput(z, lattices);
  const CrfFilters applied = filters();
  return CrfEnergy(CrfUnary(z, applied, config_.epsilon), q, applied, lattices)
      .Total();
}

}  // namespace crfgrad
}  // namespace seg
