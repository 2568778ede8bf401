// Rules that make the gates of a spatial propagation from raw network outputs.
//
// g_k are the K raw gates of one pixel, channel and direction (K = 1 or 3), p_k
// the gates that the recurrence uses, S = sum_k |g_k|. Under every rule but
// kNone sum_k |p_k| <= 1 up to rounding, which keeps the recurrence stable
// (Theorem 3 of the paper). sign(0) = 0 in all gradients.
//
//   kNone         p = g.
//   kTanh         t = tanh(g), then kClamp on t; one gate: p = tanh(g).
//   kDivide       p = g / max(S, 1e-6): "A", what the published models use.
//   kClamp        p = g / max(S, 1): "B", the authors' PyTorch demo. The
//                 gradient at S = 1 is the one of the division.
//   kDividePlus   p = g / (S + 1e-8): "C", AnyNet.
//
// kDivide and kDividePlus make a single gate +-1 with almost no gradient, so
// they are refused with K = 1. Both amplify the gradient by 1 / S where the raw
// gates are all near zero (by 1e6 where S < 1e-6 under kDivide).

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_GATE_NORMALIZATION_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_GATE_NORMALIZATION_H_

namespace seg {

enum class GateNormalization { kNone, kTanh, kDivide, kClamp, kDividePlus };

// Lower bound of S: the authors' CUDA code (kDivide), AnyNet (kDividePlus).
constexpr double kGateDivideFloor = 1e-6;
constexpr double kGateDividePlusEpsilon = 1e-8;

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_GATE_NORMALIZATION_H_
