// Convolution between label planes: the spatial term K_s q of a CRF with one
// free kernel for each ordered pair of labels.
//
//   q:      [N, L_in, H, W] float32 or float64, any strides.
//   weight: [L_out, L_in, K_h, K_w], dtype of q, any strides; K_h and K_w odd
//           (2 s + 1).
//   returns [N, L_out, H, W], contiguous:
//     out[n,l,y,x] = sum_{m,dy,dx} weight[l][m][s+dy][s+dx] q[n,m,y+dy,x+dx]
//   with zeros outside the image: cross-correlation (the "convolution" of deep
//   learning libraries), zero padding s, stride 1, no bias. In the terms of the
//   paper weight[l][m][o] = k_{l,m}(-o).
//
// On a CPU by the kernels of this folder, on a GPU by LibTorch's convolution
// (without TF32). Under autocast q and weight are taken in float32.
//
// Differentiable in q and weight, any number of times. The transposed operator
// K^T is the same convolution with TransposedKernel(weight), which is also how
// the gradient of q is computed.
//
// Cost: K_h K_w L_in L_out multiply-adds a pixel in direct form, register tiles
// of labels x pixels, plus a bordered copy of q. Written for few labels, where
// oneDNN's convolution is slow (see README.md); float64 has the same kernels.
// Threads split image rows; the weight gradient is summed over a fixed
// partition of the rows (8 rows in the input type, then float64), so results do
// not depend on the number of threads; it takes up to 16 float64 copies of the
// kernel, of 64 MB together (one copy of a larger kernel).
//
// Source: Larsson et al. 2017, "Learning Arbitrary Pairwise Potentials in CRFs
// for Semantic Segmentation", Sec. 4 (spatial kernels 9 x 9).

#ifndef COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_H_
#define COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_H_

#include <ATen/core/Tensor.h>

namespace seg {

at::Tensor LabelConvolution(const at::Tensor& q, const at::Tensor& weight);

// [A, B, K_h, K_w] -> [B, A, K_h, K_w], T[m][l][o] = weight[l][m][-o]: the
// kernel of the transposed operator, <K q, p> = <q, K^T p>. Differentiable.
at::Tensor TransposedKernel(const at::Tensor& weight);

// (weight + TransposedKernel(weight)) / 2 for L_out = L_in: the closest kernel
// with one cost for each undirected edge, for which K is symmetric and an
// energy exists. Differentiable.
at::Tensor TiedKernel(const at::Tensor& weight);

// `weight` with the centre tap (the self interaction, which the energy
// excludes) exactly zero, and an exactly zero gradient there. Differentiable.
at::Tensor WithoutCentre(const at::Tensor& weight);

enum class PottsForm {
  kCost,      // +g(o) for different labels, 0 for equal ones (paper's text)
  kDiagonal,  // -g(o) for equal labels, 0 for different ones (author's code)
};

struct GaussianPottsOptions {
  double theta = 3.0;   // standard deviation in pixels, > 0
  double weight = 1.0;  // scale of g
  PottsForm form = PottsForm::kCost;
  // Taps of g sum to `weight`; otherwise g is `weight` at the centre.
  bool normalize = true;
  bool mask_centre = true;  // g(0) = 0
};

// Fills kernel [L, L, K_h, K_w] in place, outside of autograd, with
// g(o) = exp(-|o|^2 / (2 theta^2)) of the chosen form. The two forms differ by
// a term equal for all labels of a pixel (where q sums to one over the labels),
// which the exact simplex projection removes.
void FillGaussianPotts(const at::Tensor& kernel,
                       const GaussianPottsOptions& options);

}  // namespace seg

#endif  // COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_H_
