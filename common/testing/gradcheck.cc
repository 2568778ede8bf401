#include "common/testing/gradcheck.h"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <utility>

namespace seg {
namespace {

constexpr int kMaxReported = 5;
constexpr uint64_t kCotangentSeed = 20170712;

// Copy with the sizes and the strides of `x`.
at::Tensor CopyKeepingStrides(const at::Tensor& x) {
  at::Tensor copy = at::empty_strided(x.sizes(), x.strides(), x.options());
  copy.copy_(x.detach());
  return copy;
}

// Position of logical element `linear` (row-major) of `x`: its index and its
// offset in memory.
struct Element {
  std::vector<int64_t> index;
  int64_t offset = 0;
};

Element FindElement(const at::Tensor& x, int64_t linear) {
  Element element;
  element.index.resize(x.dim());
  for (int64_t d = x.dim() - 1; d >= 0; --d) {
    element.index[d] = linear % x.size(d);
    linear /= x.size(d);
    element.offset += element.index[d] * x.stride(d);
  }
  return element;
}

std::string Print(const std::vector<int64_t>& index) {
  std::ostringstream out;
  out << "[";
  for (size_t i = 0; i < index.size(); ++i) out << (i ? ", " : "") << index[i];
  out << "]";
  return out.str();
}

at::Tensor MakeCotangent(const at::Tensor& y) {
  at::Tensor cotangent = at::empty(y.sizes(), y.options());
  std::mt19937_64 random(kCotangentSeed);
  double* data = cotangent.mutable_data_ptr<double>();
  for (int64_t i = 0; i < cotangent.numel(); ++i) {
    // 53 random bits in [-1, 1); the same on every platform.
    data[i] = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
  }
  return cotangent;
}

bool Close(double a, double b, double rtol, double atol) {
  return std::abs(a - b) <=
         atol + rtol * std::max(std::abs(a), std::abs(b));  // false for NaN
}

// Gradients of sum(fn(inputs) * cotangent), contiguous, zeros where undefined.
std::vector<at::Tensor> Gradients(const GradCheckFunction& fn,
                                  const std::vector<at::Tensor>& inputs,
                                  const at::Tensor& cotangent) {
  std::vector<at::Tensor> leaves, checked;
  for (const at::Tensor& input : inputs) {
    at::Tensor leaf = CopyKeepingStrides(input);
    if (leaf.scalar_type() == at::kDouble) {
      leaf.set_requires_grad(true);
      checked.push_back(leaf);
    }
    leaves.push_back(leaf);
  }
  const at::Tensor y = fn(leaves);
  std::vector<at::Tensor> gradients(checked.size());
  if (y.requires_grad() && !checked.empty()) {
    gradients = torch::autograd::grad({y}, checked, {cotangent},
                                      /*retain_graph=*/false,
                                      /*create_graph=*/false,
                                      /*allow_unused=*/true);
  }
  for (size_t i = 0; i < checked.size(); ++i) {
    gradients[i] = gradients[i].defined()
                       ? gradients[i].detach().contiguous()
                       : at::zeros(checked[i].sizes(), checked[i].options());
  }
  return gradients;
}

// Compares the gradients that two memory layouts of one cotangent give.
::testing::AssertionResult SameForLayouts(const GradCheckFunction& fn,
                                          const std::vector<at::Tensor>& inputs,
                                          const at::Tensor& contiguous,
                                          const at::Tensor& strided,
                                          const char* name) {
  const std::vector<at::Tensor> expected = Gradients(fn, inputs, contiguous);
  const std::vector<at::Tensor> actual = Gradients(fn, inputs, strided);
  for (size_t i = 0; i < expected.size(); ++i) {
    // The layout may change the order of sums, nothing more.
    if (!at::allclose(expected[i], actual[i], 1e-10, 1e-12,
                      /*equal_nan=*/true)) {
      return ::testing::AssertionFailure()
             << "GradCheck: the gradient of float64 input " << i
             << " differs when the incoming gradient is " << name
             << " instead of contiguous, by up to "
             << (expected[i] - actual[i]).abs().max().item<double>()
             << ": the backward pass ignores strides";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace

::testing::AssertionResult GradCheck(const GradCheckFunction& fn,
                                     std::vector<at::Tensor> inputs, double eps,
                                     double rtol, double atol) {
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor& input = inputs[i];
    if (!input.defined()) {
      return ::testing::AssertionFailure()
             << "GradCheck: input " << i << " is an undefined tensor";
    }
    if (input.is_floating_point() && input.scalar_type() != at::kDouble) {
      return ::testing::AssertionFailure()
             << "GradCheck: input " << i << " must be float64, got "
             << input.scalar_type();
    }
    if (at::has_internal_overlap(input) == at::MemOverlap::Yes) {
      return ::testing::AssertionFailure()
             << "GradCheck: elements of input " << i
             << " share memory (strides " << input.strides()
             << "); expand inside the function";
    }
    values.push_back(CopyKeepingStrides(input));
  }

  at::Tensor first, second;
  {
    c10::NoGradGuard no_grad;
    first = fn(values);
    if (!first.defined() || first.scalar_type() != at::kDouble) {
      return ::testing::AssertionFailure()
             << "GradCheck: the function must return a float64 tensor, got "
             << (first.defined() ? toString(first.scalar_type()) : "undefined");
    }
    first = first.clone();
    second = fn(values);
    if (!at::equal(first, second)) {
      return ::testing::AssertionFailure()
             << "GradCheck: two calls with the same inputs differ by up to "
             << (first - second).abs().max().item<double>() << " (or give NaN)";
    }
  }

  const at::Tensor cotangent = MakeCotangent(first);
  const std::vector<at::Tensor> analytic = Gradients(fn, values, cotangent);

  int mismatches = 0, elements = 0;
  std::ostringstream report;
  report.precision(10);
  size_t checked = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].scalar_type() != at::kDouble) continue;
    const double* gradient = analytic[checked++].const_data_ptr<double>();
    double* data = values[i].mutable_data_ptr<double>();
    c10::NoGradGuard no_grad;
    for (int64_t j = 0; j < values[i].numel(); ++j, ++elements) {
      const Element element = FindElement(values[i], j);
      double& x = data[element.offset];
      const double original = x;
      x = original + eps;
      const at::Tensor plus = fn(values).clone();
      const double high = x;
      x = original - eps;
      const at::Tensor minus = fn(values);
      const double low = x;
      x = original;
      // Differences before the sum: less cancellation. The step is the one
      // that the format could represent.
      const double numeric =
          ((plus - minus) * cotangent).sum().item<double>() / (high - low);
      if (Close(gradient[j], numeric, rtol, atol)) continue;
      if (++mismatches <= kMaxReported) {
        report << "\n  input " << i << " index " << Print(element.index)
               << " (value " << original << "): analytic " << gradient[j]
               << ", numeric " << numeric << ", difference "
               << gradient[j] - numeric;
      }
    }
  }
  if (mismatches > 0) {
    return ::testing::AssertionFailure()
           << "GradCheck: " << mismatches << " of " << elements
           << " gradient elements differ (rtol " << rtol << ", atol " << atol
           << ", eps " << eps << ")" << report.str()
           << (mismatches > kMaxReported ? "\n  ..." : "");
  }

  if (checked == 0) {
    return ::testing::AssertionFailure()
           << "GradCheck: no input is float64: there is nothing to compare";
  }

  if (first.numel() > 1) {
    std::vector<int64_t> reversed(first.dim());
    for (int64_t d = 0; d < first.dim(); ++d) reversed[d] = first.dim() - 1 - d;
    ::testing::AssertionResult result =
        SameForLayouts(fn, values, cotangent,
                       cotangent.permute(reversed).contiguous().permute(
                           reversed),  // a reversal is its own inverse
                       "transposed");
    if (!result) return result;
    const at::Tensor one = at::ones({}, first.options());
    return SameForLayouts(fn, values, one.expand_as(first).contiguous(),
                          one.expand_as(first), "expanded");
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult GradGradCheck(const GradCheckFunction& fn,
                                         std::vector<at::Tensor> inputs,
                                         double eps, double rtol, double atol) {
  const size_t count = inputs.size();
  {
    const c10::NoGradGuard no_grad;
    inputs.push_back(MakeCotangent(fn(inputs)));
  }
  const auto gradients = [&](const std::vector<at::Tensor>& in) {
    const c10::AutoGradMode enable(true);
    std::vector<at::Tensor> arguments, checked;
    for (size_t i = 0; i < count; ++i) {
      at::Tensor x = in[i];
      if (x.scalar_type() == at::kDouble) {
        if (!x.requires_grad()) x = x.detach().set_requires_grad(true);
        checked.push_back(x);
      }
      arguments.push_back(x);
    }
    std::vector<at::Tensor> flat;
    for (const at::Tensor& gradient :
         torch::autograd::grad({fn(arguments)}, checked, {in[count]},
                               /*retain_graph=*/true, /*create_graph=*/true)) {
      flat.push_back(gradient.flatten());
    }
    return at::cat(flat);
  };
  return GradCheck(gradients, std::move(inputs), eps, rtol, atol);
}

}  // namespace seg
