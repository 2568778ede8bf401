// CRF-RNN: mean-field inference in a fully connected CRF, unrolled as a layer
// whose kernel weights and label compatibility are learned.
//
//   Q   = softmax(U)                                       U: the logits
//   Q  <- softmax(U + C (W_s K_s Q + W_b K_b Q)),          T times
//   returns log Q
//
// K_s and K_b are the Gaussian kernels of mean_field.h with their
// normalisation. W_s and W_b weigh the filtered classes and C couples them, all
// [L,L], as in the authors' code; the paper's weight per class is a diagonal W.
// C = -mu for the paper's compatibility mu: C = 1 (the start) is the Potts
// model, mu[l,m] = [l != m], up to a term that is equal for all labels, which
// the soft-max removes.
//
// Zheng, Jayasumana, Romera-Paredes, Vineet, Su, Du, Huang, Torr 2015,
// "Conditional Random Fields as Recurrent Neural Networks", Sec. 4. Parameter
// names, the sign of C and the defaults are those of the PyTorch form by one of
// the authors (github.com/sadeepj/crfasrnn_pytorch).
#ifndef COMMON_LAYERS_MEAN_FIELD_CRF_RNN_H_
#define COMMON_LAYERS_MEAN_FIELD_CRF_RNN_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/lattice.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {

// The learned numbers, each [L,L] of the logits' type.
struct CrfRnnWeights {
  at::Tensor spatial;        // W_s
  at::Tensor bilateral;      // W_b
  at::Tensor compatibility;  // C
};

// logits:   [N,L,H,W] float32 or float64, any strides, L >= 1
// spatial, bilateral: N lattices of H W points each (BuildSpatialLattices,
//           BuildBilateralLattices), on the logits' device
// returns:  log Q after `iterations` steps, [N,L,H,W]
//
// Gradients to the logits and the three matrices, of any order; they go through
// all iterations. A composition of the filters of permutohedral.h with matrix
// products and soft-max, on the CPU or a GPU. O(iterations N L (P + L P)),
// memory for the backward pass about 4 [N,L,H,W] an iteration.
at::Tensor CrfRnnInference(const at::Tensor& logits,
                           const LatticeVector& spatial,
                           const LatticeVector& bilateral,
                           const CrfRnnWeights& weights, int64_t iterations,
                           LatticeNormalization normalization);

struct CrfRnnOptions {
  explicit CrfRnnOptions(int64_t labels) : labels_(labels) {}
  TORCH_ARG(int64_t, labels);
  TORCH_ARG(int64_t, iterations) = 5;        // T in training (Sec. 5)
  TORCH_ARG(int64_t, eval_iterations) = 10;  // T in eval mode (Sec. 5)
  TORCH_ARG(double, spatial_theta) = 3;      // pixels
  TORCH_ARG(double, spatial_weight) = 3;     // start of W_s's diagonal
  TORCH_ARG(double, theta_position) = 160;   // pixels
  TORCH_ARG(double, theta_colour) = 3;       // grey levels
  TORCH_ARG(double, bilateral_weight) = 5;   // start of W_b's diagonal
  TORCH_ARG(LatticeNormalization, normalization) = LatticeNormalization::kAfter;
};

class CrfRnnImpl : public torch::nn::Module {
 public:
  explicit CrfRnnImpl(const CrfRnnOptions& options);

  // logits: [N,L,H,W] of the parameters' type and device
  // images: [N,3,H,W] RGB, 0..255, any type, on that device
  // returns: log Q [N,L,H,W], see CrfRnnInference. Builds the images' lattices.
  at::Tensor forward(const at::Tensor& logits, const at::Tensor& images);

  const CrfRnnOptions& options() const { return options_; }

 private:
  CrfRnnOptions options_;
  at::Tensor spatial_;        // spatial_ker_weights
  at::Tensor bilateral_;      // bilateral_ker_weights
  at::Tensor compatibility_;  // compatibility_matrix
};
TORCH_MODULE(CrfRnn);

}  // namespace seg

#endif  // COMMON_LAYERS_MEAN_FIELD_CRF_RNN_H_
