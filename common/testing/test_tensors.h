// Inputs of operator tests: random values, and equal values in memory of every
// layout that an operator has to take.
#ifndef COMMON_TESTING_TEST_TENSORS_H_
#define COMMON_TESTING_TEST_TENSORS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace seg {

// Standard normal, double; a function of sizes and seed.
inline at::Tensor Random(at::IntArrayRef sizes, int64_t seed = 3) {
  at::manual_seed(seed);
  return at::randn(sizes, at::kDouble);
}

// The elements in row-major order, as doubles.
inline std::vector<double> Values(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kDouble).contiguous();
  const double* data = flat.const_data_ptr<double>();
  return std::vector<double>(data, data + flat.numel());
}

// x with the strides of its permutation to channels last (of any number of
// dimensions).
inline at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.movedim(1, -1).contiguous().movedim(-1, 1);
}

// x as every second element of a wider tensor: no dimension is dense, and what
// lies between is NaN (in integers, large).
inline at::Tensor Sparse(const at::Tensor& x) {
  std::vector<int64_t> sizes = x.sizes().vec();
  for (int64_t& size : sizes) size *= 2;
  const double rest =
      x.is_floating_point() ? std::numeric_limits<double>::quiet_NaN() : 1e3;
  at::Tensor wide = at::full(sizes, rest, x.options());
  for (int64_t d = 0; d < x.dim(); ++d) wide = wide.slice(d, 1, sizes[d], 2);
  wide.copy_(x);
  return wide;
}

// x with its last two dimensions exchanged in memory.
inline at::Tensor ColumnMajor(const at::Tensor& x) {
  return x.transpose(-1, -2).contiguous().transpose(-1, -2);
}

// Tensors equal to x, of two dimensions or more, in all these layouts but its
// own.
inline std::vector<at::Tensor> Layouts(const at::Tensor& x) {
  return {ChannelsLast(x), Sparse(x), ColumnMajor(x)};
}

// A tensor that says it is on a GPU and has no memory, for what a build without
// CUDA answers.
inline at::Tensor OnCuda(at::IntArrayRef sizes,
                         at::ScalarType type = at::kFloat) {
  const at::Tensor x = at::detail::make_tensor<c10::TensorImpl>(
      c10::DispatchKeySet(c10::DispatchKey::CUDA),
      c10::scalarTypeToTypeMeta(type), c10::Device(c10::kCUDA, 0));
  x.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return x;
}

}  // namespace seg

#endif  // COMMON_TESTING_TEST_TENSORS_H_
