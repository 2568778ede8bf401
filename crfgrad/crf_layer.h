// CRF-Grad: inference of a dense CRF with arbitrary pairwise potentials by
// projected gradient descent, unrolled as a differentiable layer.
//
//   u     = -w_u log(z + eps)                                   unary
//   q^0   = z  (or uniform)
//   q^t+1 = Proj(q^t - gamma (u + K_s q^t + K_b q^t)),  t = 0 .. T-1
//   returns q^T
//
//   K_s: LabelConvolution, one (2r+1) x (2r+1) filter for each ordered label
//   pair K_b: PermutohedralFilter over (position, colour), one filter a label
//   pair Proj: SimplexProjection, exact (leak 0) or leaky
//
// Larsson, Arnab, Kahl, Zheng, Torr 2017, "Learning Arbitrary Pairwise
// Potentials in CRFs for Semantic Segmentation", Sec. 3 and 4. The gradients
// are those of the composition above; the paper's printed Eq. 13 and 19-22 are
// not (see README.md, deviations).
#ifndef CRFGRAD_CRF_LAYER_H_
#define CRFGRAD_CRF_LAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "common/layers/label_convolution/label_convolution_layer.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice.h"
#include "nlohmann/json.hpp"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {

SEG_DECLARE_ENUM(BilateralOrder)

namespace crfgrad {

// A pairwise term: off; learned (a parameter, started from the Gaussian Potts
// filter of `weight`, zero for weight 0); gaussian (that filter, fixed).
enum class TermMode { kOff, kLearned, kGaussian };
SEG_DECLARE_ENUM(TermMode)

struct SpatialConfig {
  TermMode mode = TermMode::kLearned;
  int64_t radius = 4;       // 9 x 9 filters (Sec. 5)
  double theta = 2.0;       // width of the Gaussian, pixels
  double weight = 0.0;      // 0: the paper's start
  bool mask_centre = true;  // the energy has no self edges (Sec. 3)
  bool tied = false;        // symmetric filters: W[l][m][o] = W[m][l][-o]
};

struct BilateralConfig {
  TermMode mode = TermMode::kLearned;
  double theta_position = 50.0;    // pixels; 1 / 0.02 in the authors' code
  double theta_colour = 10.0 / 3;  // grey levels; 1 / 0.3 in the authors' code
  double weight = 1.0;
  int64_t support = 1;  // s; (s+1)^6 - s^6 taps a label pair
  bool tied = false;
  // Order of the five features, which the lattice's embedding depends on: xyrgb
  // (densecrf's) or yxbgr (the released layer's; for comparing with it
  // exactly).
  BilateralOrder order = BilateralOrder::kXYRGB;
};

// Sign convention of the Gaussian start: diagonal (-weight for equal labels,
// the authors' code) or potts (+weight for different ones, the paper's text).
enum class CrfStart { kDiagonal, kPotts };
SEG_DECLARE_ENUM(CrfStart)

// q^0: unary (z) or uniform (1 / L).
enum class CrfInitial { kUnary, kUniform };
SEG_DECLARE_ENUM(CrfInitial)

struct CrfConfig {
  int64_t iterations = 5;     // T (Sec. 5)
  double step = 0.5;          // gamma (Sec. 5)
  double leak = 0.0;          // alpha of the projection, [0, 1]
  double unary_weight = 0.5;  // start of w_u (Sec. 5)
  double epsilon = 0.1;       // eps in log(z + eps); the authors' code
  CrfStart start = CrfStart::kDiagonal;
  CrfInitial initial = CrfInitial::kUnary;
  SpatialConfig spatial;
  BilateralConfig bilateral;

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(SpatialConfig)
SEG_DECLARE_CONFIG(BilateralConfig)
SEG_DECLARE_CONFIG(CrfConfig)

// The learned numbers of the layer, as inference applies them.
struct CrfFilters {
  at::Tensor unary_weight;  // [1], w_u
  at::Tensor spatial;       // [L,L,2r+1,2r+1]; undefined: no spatial term
  at::Tensor bilateral;     // [L,L,taps]; undefined: no bilateral term
};

// u = -w_u log(z + eps), [N,L,H,W].
at::Tensor CrfUnary(const at::Tensor& z, const CrfFilters& filters,
                    double epsilon);

// K q; undefined when both terms are.
at::Tensor CrfPairwise(const at::Tensor& q, const CrfFilters& filters,
                       const LatticeVector& lattices);

// q^T; arguments and result as for CrfLayerImpl::forward. Of `config` only
// iterations, step, leak, epsilon and initial are read.
at::Tensor ProjectedGradientDescent(const at::Tensor& z,
                                    const CrfFilters& filters,
                                    const LatticeVector& lattices,
                                    const CrfConfig& config,
                                    std::vector<at::Tensor>* states = nullptr);

class CrfLayerImpl : public torch::nn::Module {
 public:
  // Throws (TORCH_CHECK) where `config` breaks a rule of CrfConfig::Rules().
  CrfLayerImpl(const CrfConfig& config, int64_t num_labels);

  // z:        [N,L,H,W] float32 or float64 (the layer's type), probabilities
  // lattices: N lattices of H W points from BuildLattices; not looked at when
  // the
  //           bilateral term is off
  // states:   where given, q^0 .. q^T, detached
  // returns:  q^T [N,L,H,W]. With leak 0 on the simplex; else entries may be
  //           negative and a pixel's sum below 1.
  // Gradients to z, w_u and the learned filters. T filterings and projections.
  at::Tensor forward(const at::Tensor& z, const LatticeVector& lattices,
                     std::vector<at::Tensor>* states = nullptr);

  // images: [N,3,H,W] RGB 0..255. Empty when the bilateral term is off.
  LatticeVector BuildLattices(const at::Tensor& images) const;

  // E(q) = <u, q> + <q, K q> / 2 for each image, [N]. Its gradient is u + K q
  // where the filters are tied (the antisymmetric part of K has no energy). By
  // its parts, and of what a pixel has with itself: energy.h, over filters().
  at::Tensor Energy(const at::Tensor& z, const at::Tensor& q,
                    const LatticeVector& lattices);

  // What the layer applies: tied and masked as the configuration says.
  CrfFilters filters() const;

  const CrfConfig& config() const { return config_; }
  int64_t num_labels() const { return num_labels_; }
  bool uses_lattice() const { return config_.bilateral.mode != TermMode::kOff; }

 private:
  void CheckInput(const at::Tensor& z, const LatticeVector& lattices) const;

  CrfConfig config_;
  int64_t num_labels_;
  at::Tensor unary_weight_;                 // [1]
  LabelConvolutionLayer spatial_{nullptr};  // empty when off
  at::Tensor bilateral_filter_;             // [L,L,taps]; undefined when off
};
TORCH_MODULE(CrfLayer);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_CRF_LAYER_H_
