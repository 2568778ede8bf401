// What all operators of the registry have in common: sizes and strides without
// memory (Meta), half types under autocast, and a schema that says the truth.
// What each computes is tested beside it.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/autocast.h"
#include "common/testing/test_tensors.h"

namespace seg {
namespace {

using Stack = std::vector<c10::IValue>;

struct Case {
  const char* name;
  Stack arguments;  // float32 where floating
  // What autocast makes of it.
  enum Policy { kFloat, kHalf, kAny } policy = kFloat;
  bool has_meta = true;
};

at::Tensor Floats(at::IntArrayRef sizes, int64_t seed = 3) {
  return Random(sizes, seed).to(at::kFloat);
}

Stack Call(const std::string& name, Stack arguments) {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(
      ("segpapers::" + name).c_str(), "");
  op.callBoxed(&arguments);
  return arguments;
}

std::vector<Case> Cases() {
  const at::Tensor x = Floats({2, 4, 6, 5});
  const at::Tensor last = ChannelsLast(x);
  const at::Tensor images = at::rand({2, 3, 6, 5}) * 255;
  const at::Tensor labels = at::randint(0, 4, {2, 6, 5}, at::kLong);
  // Exact in half types too.
  const at::Tensor shares =
      at::tensor({0.5f, 0.25f, 0.25f, 0.0f})
          .index_select(0,
                        Floats({2, 4, 6, 5}, 9).argsort(int64_t{1}).flatten())
          .view({2, 4, 6, 5});
  const at::Tensor vector = Floats({3, 7});
  const c10::IValue lattice =
      Call("build_bilateral_lattice", {images, 3.0, 40.0})[0];
  const at::Tensor mean = Floats({4}), inverse = Floats({4}, 5).abs() + 0.5;
  return {
      {"simplex_projection", {x, 0.0}},
      {"simplex_projection", {last, 0.3}},
      {"simplex_projection_step", {x, last, 0.5, 0.0}},
      {"label_convolution", {last, Floats({3, 4, 3, 5})}},
      {"narrow_convolution", {x, Floats({5, 4, 3, 3}), Floats({5}), 0.2}},
      {"convolution3x3",
       {x, Floats({5, 4, 3, 3}), Floats({5}), 0.2},
       Case::kHalf},
      {"zero_unpool2d", {last}, Case::kAny},
      // LibTorch's flip has sizes without memory in Python only.
      {"zero_unpool_convolution",
       {x, Floats({3, 4, 3, 3}), Floats({3})},
       Case::kHalf,
       /*has_meta=*/false},
      {"zero_unpool_convolution",
       {x, Floats({6, 4, 5, 5}), c10::IValue()},
       Case::kHalf,
       /*has_meta=*/false},
      {"sample_gaussian", {vector, vector, vector}},
      {"gaussian_kl", {vector, vector, Floats({3, 7}, 4), vector}},
      {"gaussian_log_density", {vector, vector, vector}},
      {"modulated_norm",
       {x, std::vector<at::Tensor>{Floats({2, 8, 6, 5}), Floats({2, 8, 6, 5})},
        std::vector<double>{0.2, 1.0}, mean, inverse, false}},
      {"modulated_norm",
       {x, std::vector<at::Tensor>{Floats({2, 8})}, std::vector<double>{0.2},
        mean, inverse, true}},
      {"spatial_propagation",
       {x, Floats({2, 48, 6, 5}), true, "divide", false}},
      {"spatial_propagation",
       {last, ChannelsLast(Floats({2, 16, 6, 5})), false, "tanh", false}},
      {"permutohedral_gaussian", {last, lattice, "symmetric", false}},
      {"permutohedral_filter", {x, Floats({3, 4, 63}), lattice, "before"}},
      {"mean_field", {x, images, 2, 3.0, 1.0, 6.0, 30.0, 1.5, "symmetric"}},
      {"mean_field_on_lattices",
       {x, c10::IValue(), lattice, 2, 1.0, 1.5, "symmetric"},
       Case::kFloat,
       /*has_meta=*/false},
      {"cross_entropy", {x, labels, "scores", "mean", 255, 0.01}},
      {"soft_cross_entropy_sum", {x, shares}},
      {"dice_loss", {x, labels, 255, 1e-8}},
      {"expected_iou", {x, shares, 0, 0, 0.0, 0, 0, 1e-8, 0.0}},
      {"expected_uoi", {x, shares, 1, 0, 0.0, 0, 0, 1e-8, 0.0}},
  };
}

// The tensors of `values`, changed by `change`; lists too.
Stack Changed(const Stack& values,
              const std::function<at::Tensor(const at::Tensor&)>& change) {
  Stack changed;
  for (const c10::IValue& value : values) {
    if (value.isTensor()) {
      changed.emplace_back(change(value.toTensor()));
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) {
        list.push_back(change(x));
      }
      changed.emplace_back(std::move(list));
    } else {
      changed.push_back(value);
    }
  }
  return changed;
}

std::vector<at::Tensor> Tensors(const Stack& values) {
  std::vector<at::Tensor> tensors;
  Changed(values, [&](const at::Tensor& x) {
    tensors.push_back(x);
    return x;
  });
  return tensors;
}

TEST(OperatorsTest, MetaHasTheSizesAndStridesOfTheResult) {
  for (const Case& c : Cases()) {
    if (!c.has_meta) continue;
    const std::vector<at::Tensor> real = Tensors(Call(c.name, c.arguments));
    const std::vector<at::Tensor> meta =
        Tensors(Call(c.name, Changed(c.arguments, [](const at::Tensor& x) {
                       return at::empty_strided(x.sizes(), x.strides(),
                                                x.options().device(at::kMeta));
                     })));
    ASSERT_EQ(meta.size(), real.size()) << c.name;
    for (size_t i = 0; i < real.size(); ++i) {
      EXPECT_TRUE(meta[i].is_meta()) << c.name;
      EXPECT_EQ(meta[i].sizes(), real[i].sizes()) << c.name;
      EXPECT_EQ(meta[i].strides(), real[i].strides()) << c.name;
      EXPECT_EQ(meta[i].scalar_type(), real[i].scalar_type()) << c.name;
    }
  }
}

TEST(OperatorsTest, AutocastTakesHalfTypes) {
  for (at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    for (const Case& c : Cases()) {
      if (c.policy == Case::kAny) continue;
      SCOPED_TRACE(c.name);
      const Stack small = Changed(c.arguments, [&](const at::Tensor& x) {
        return x.is_floating_point() ? x.to(type) : x;
      });
      const Stack full = Changed(small, [&](const at::Tensor& x) {
        return x.is_floating_point() ? x.to(at::kFloat) : x;
      });
      const std::vector<at::Tensor> expected = Tensors(Call(c.name, full));
      const Stack leaves = Changed(small, [&](const at::Tensor& x) {
        return x.is_floating_point() ? x.detach().set_requires_grad(true) : x;
      });
      std::vector<at::Tensor> actual;
      {
        const ScopedAutocast autocast(type);
        actual = Tensors(Call(c.name, leaves));
      }
      ASSERT_EQ(actual.size(), expected.size());
      for (size_t i = 0; i < actual.size(); ++i) {
        if (c.policy == Case::kHalf) {
          EXPECT_EQ(actual[i].scalar_type(), type);
          // Sums of some tens of terms of half types.
          EXPECT_TRUE(
              at::allclose(actual[i].to(at::kFloat), expected[i], 0.05, 0.05));
        } else {
          EXPECT_EQ(actual[i].scalar_type(), expected[i].scalar_type());
          // Mean field has two paths, whose sums round in another order.
          EXPECT_TRUE(at::allclose(actual[i], expected[i], 1e-5, 1e-5));
        }
      }
      // The gradient comes back in the type of the input.
      const at::Tensor x = leaves[0].toTensor();
      const at::Tensor g =
          torch::autograd::grad({actual[0].to(at::kFloat).sum()}, {x})[0];
      EXPECT_EQ(g.scalar_type(), type);
      EXPECT_EQ(g.sizes(), x.sizes());
    }
  }
}

TEST(OperatorsTest, InferenceTensorsGiveTheSame) {
  for (const Case& c : Cases()) {
    const std::vector<at::Tensor> expected = Tensors(Call(c.name, c.arguments));
    const c10::InferenceMode inference;
    const std::vector<at::Tensor> actual = Tensors(Call(
        c.name,
        Changed(c.arguments, [](const at::Tensor& x) { return x.clone(); })));
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(actual[i].is_inference()) << c.name;
      EXPECT_TRUE(at::equal(actual[i], expected[i])) << c.name;
    }
  }
}

TEST(OperatorsTest, InputsStayAsTheyAre) {
  for (const Case& c : Cases()) {
    const std::vector<at::Tensor> inputs = Tensors(c.arguments);
    std::vector<at::Tensor> before;
    for (const at::Tensor& x : inputs) before.push_back(x.clone());
    const std::vector<at::Tensor> outputs = Tensors(Call(c.name, c.arguments));
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_TRUE(at::equal(inputs[i], before[i])) << c.name;
      for (const at::Tensor& y : outputs) {
        EXPECT_FALSE(y.is_alias_of(inputs[i])) << c.name;
      }
    }
  }
}

}  // namespace
}  // namespace seg
