// The spatial propagation (three-way, rule kDivide) in eager operators: a loop
// over columns and rows that `unbind` takes apart, as one writes it without an
// operator of its own. The peer of the benchmark.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_EAGER_PROPAGATION_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_EAGER_PROPAGATION_H_

#include <ATen/ATen.h>

#include <vector>

namespace seg {

// One direction: axis 3 or 2, from the first or the last index. gates
// [N, 3, C, H, W], normalised, zero where unused.
inline at::Tensor EagerScan(const at::Tensor& x, const at::Tensor& gates,
                            int64_t axis, bool reverse) {
  const std::vector<at::Tensor> base =
      at::mul(x, 1.0 - gates.sum(1)).unbind(axis);
  std::vector<std::vector<at::Tensor>> gate;
  for (int64_t k = 0; k < 3; ++k)
    gate.push_back(gates.select(1, k).unbind(axis));
  const int64_t steps = x.size(axis), lanes = x.size(5 - axis);
  std::vector<at::Tensor> states(steps);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = reverse ? steps - 1 - i : i;
    if (i == 0) {
      states[t] = base[t];
      continue;
    }
    const at::Tensor& h = states[reverse ? t + 1 : t - 1];
    const at::Tensor padded = at::constant_pad_nd(h, {1, 1});
    states[t] = base[t] + gate[0][t] * padded.narrow(2, 0, lanes) +
                gate[1][t] * h + gate[2][t] * padded.narrow(2, 2, lanes);
  }
  return at::stack(states, axis);
}

// Ones where gate k of direction d is used.
inline at::Tensor ValidGates(const at::Tensor& x) {
  at::Tensor valid = at::ones({1, 4, 3, 1, x.size(2), x.size(3)}, x.options());
  const int64_t last_row = x.size(2) - 1, last_column = x.size(3) - 1;
  const at::Tensor v = valid[0].squeeze(2);  // [4, 3, H, W]
  v[0].select(2, 0).zero_();
  v[1].select(2, last_column).zero_();
  v[2].select(1, 0).zero_();
  v[3].select(1, last_row).zero_();
  for (int64_t d = 0; d < 4; ++d) {
    v[d][0].select(d < 2 ? 0 : 1, 0).zero_();
    v[d][2].select(d < 2 ? 0 : 1, d < 2 ? last_row : last_column).zero_();
  }
  return valid;
}

inline at::Tensor EagerPropagation(const at::Tensor& x, const at::Tensor& raw,
                                   const at::Tensor& valid) {
  at::Tensor g = raw.view({x.size(0), 4, 3, x.size(1), x.size(2), x.size(3)});
  g = g * valid;
  g = g / g.abs().sum(2, true).clamp_min(1e-6);
  at::Tensor out;
  for (int64_t d = 0; d < 4; ++d) {
    const at::Tensor h =
        EagerScan(x, g.select(1, d), d < 2 ? 3 : 2, d % 2 == 1);
    out = d == 0 ? h : at::max(out, h);
  }
  return out;
}

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_EAGER_PROPAGATION_H_
