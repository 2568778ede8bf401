// Threads, instruction sets, layouts, memory, sizes, errors, the layer.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/layers/spatial_propagation/spatial_propagation_layer.h"
#include "common/layers/spatial_propagation/spatial_propagation_ops.h"
#include "common/layers/spatial_propagation/spatial_propagation_reference.h"
#include "common/testing/counting_allocator.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace spatial_propagation_test {
namespace {

TEST(SpatialPropagationTest, NumberOfThreadsDoesNotChangeABit) {
  const int threads = at::get_num_threads();
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (bool channels_last : {false, true}) {
      const auto options = Options(true, Rule::kDivide);
      const at::Tensor x = Random({1, 40, 33, 40}).to(type);
      const at::Tensor gates = RandomGates(x, options).to(type);
      const at::Tensor cotangent = Random(x.sizes(), 5).to(type);
      const auto run = [&](int count) {
        at::set_num_threads(count);
        return channels_last
                   ? RunWithGradients(ChannelsLast(x), ChannelsLast(gates),
                                      options, cotangent)
                   : RunWithGradients(x, gates, options, cotangent);
      };
      const auto expected = run(1);
      for (int count : {2, 3, 5}) {
        const auto actual = run(count);
        for (int i = 0; i < 3; ++i) {
          EXPECT_TRUE(at::equal(actual[i], expected[i])) << count;
        }
      }
    }
  }
  at::set_num_threads(threads);
}

TEST(SpatialPropagationTest, NumberOfThreadsMayChangeBeforeTheBackwardPass) {
  const int threads = at::get_num_threads();
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = ChannelsLast(Random({1, 40, 33, 40}));
  const at::Tensor gates = ChannelsLast(RandomGates(x, options));
  const at::Tensor cotangent = ChannelsLast(Random(x.sizes(), 5));
  at::set_num_threads(1);
  const auto expected = RunWithGradients(x, gates, options, cotangent);
  for (const auto& [forward, backward] : {std::pair{1, 3}, std::pair{3, 1}}) {
    const at::Tensor x_leaf = x.detach().set_requires_grad(true);
    const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
    at::set_num_threads(forward);
    const at::Tensor out = SpatialPropagation(x_leaf, gates_leaf, options);
    at::set_num_threads(backward);
    const auto actual =
        torch::autograd::grad({out}, {x_leaf, gates_leaf}, {cotangent});
    EXPECT_TRUE(at::equal(actual[0], expected[1])) << forward;
    EXPECT_TRUE(at::equal(actual[1], expected[2])) << forward;
  }
  at::set_num_threads(threads);
}

// Where threads share the directions of an image, ties and NaN are decided as
// one thread does.
TEST(SpatialPropagationTest, SharedDirectionsKeepTheRuleAtTies) {
  const int threads = at::get_num_threads();
  const auto options = Options(true, Rule::kDivide);
  at::Tensor x = Random({1, 16, 40, 40}).mul(4).round();
  x[0][3][20][20] = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor cotangent = Random(x.sizes(), 5);
  // Directions whose gates are zero return x: ties of all four, or of the two
  // vertical ones where both horizontal ones are below.
  for (int64_t random_directions : {0, 2}) {
    at::Tensor gates = RandomGates(x, options).clone();
    gates.slice(1, random_directions * 3 * 16).zero_();
    const auto run = [&](int count) {
      at::set_num_threads(count);
      return RunWithGradients(ChannelsLast(x), ChannelsLast(gates), options,
                              cotangent);
    };
    const auto expected = run(1);
    for (int count : {2, 4}) {
      const auto actual = run(count);
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(
            at::allclose(actual[i], expected[i], 0, 0, /*equal_nan=*/true))
            << random_directions << " " << count << " " << i;
      }
    }
  }
  at::set_num_threads(threads);
}

// Gates of 8 MB and more are written past the caches: with lines that are no
// whole cache lines, several blocks of channels, either type, and where threads
// share the directions.
TEST(SpatialPropagationTest, StreamedStoresChangeNothing) {
  const int threads = at::get_num_threads();
  for (const Rule rule : {Rule::kDivide, Rule::kTanh}) {
    const auto options = Options(true, rule);
    for (const std::vector<int64_t>& sizes :
         {std::vector<int64_t>{1, 20, 96, 96}, {1, 272, 28, 28}}) {
      for (at::ScalarType type : {at::kFloat, at::kDouble}) {
        const at::Tensor x = Random(sizes).to(type);
        const at::Tensor gates = RandomGates(x, options).to(type);
        const at::Tensor cotangent = Random(x.sizes(), 5).to(type);
        ASSERT_GE(gates.nbytes(), 8u << 20);
        // Planes do not stream the same lines.
        const auto expected = RunWithGradients(x, gates, options, cotangent);
        for (int count : {1, 2, 3}) {
          at::set_num_threads(count);
          const auto actual = RunWithGradients(
              ChannelsLast(x), ChannelsLast(gates), options, cotangent);
          const double tolerance = type == at::kFloat ? 1e-4 : 1e-11;
          for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE(
                at::allclose(actual[i], expected[i], tolerance, tolerance))
                << count << " " << i << " " << sizes;
          }
        }
        at::set_num_threads(threads);
      }
    }
  }
  at::set_num_threads(threads);
}

// The gradient of the gates of a batch is written past the caches (25 MB), that
// of one image (6.3 MB) is not.
TEST(SpatialPropagationTest, BatchEqualsItsImages) {
  const auto options = Options(true, Rule::kDivide);
  for (bool channels_last : {false, true}) {
    const auto layout = [&](const at::Tensor& y) {
      return (channels_last ? ChannelsLast(y) : y).to(at::kFloat);
    };
    const at::Tensor x = layout(Random({4, 32, 64, 64}));
    const at::Tensor gates = layout(RandomGates(x, options));
    const at::Tensor cotangent = layout(Random(x.sizes(), 5));
    const auto batch = RunWithGradients(x, gates, options, cotangent);
    for (int64_t n = 0; n < 4; ++n) {
      const auto image =
          RunWithGradients(x.narrow(0, n, 1), gates.narrow(0, n, 1), options,
                           cotangent.narrow(0, n, 1));
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(at::equal(batch[i].narrow(0, n, 1), image[i]))
            << channels_last << ", image " << n << ", result " << i;
      }
    }
  }
}

TEST(SpatialPropagationTest, EveryInstructionSetAgrees) {
  for (const auto& options : AllOptions()) {
    for (const auto& [type, sizes] :
         {std::pair(at::kFloat, std::vector<int64_t>{1, 21, 7, 19}),
          {at::kDouble, {1, 21, 7, 19}},
          {at::kFloat, {1, 2, 20, 40}}}) {
      const at::Tensor x = Random(sizes).to(type);
      const at::Tensor gates = RandomGates(x, options).to(type);
      const at::Tensor cotangent = Random(x.sizes(), 5).to(type);
      const auto run = [&] {
        auto all = RunWithGradients(x, gates, options, cotangent);
        for (const at::Tensor& y : RunWithGradients(
                 ChannelsLast(x), ChannelsLast(gates), options, cotangent)) {
          all.push_back(y);
        }
        return all;
      };
      const auto expected = run();
      ForEachTarget([&](const char* name) {
        const auto actual = run();
        // No fused multiply-add on the older ones; 1 / S up to 100 in the last.
        const double tolerance = type == at::kFloat ? 1e-3 : 1e-11;
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_TRUE(
              at::allclose(actual[i], expected[i], tolerance, tolerance))
              << name << ", " << Name(options) << ", result " << i;
        }
      });
    }
  }
}

TEST(SpatialPropagationTest, OutputHasTheLayoutOfTheGates) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({2, 5, 6, 7});
  const at::Tensor gates = RandomGates(x, options);
  const auto last = at::MemoryFormat::ChannelsLast;
  EXPECT_TRUE(SpatialPropagation(x, gates, options).is_contiguous());
  EXPECT_TRUE(
      SpatialPropagation(ChannelsLast(x), gates, options).is_contiguous());
  const auto result = RunWithGradients(x, ChannelsLast(gates), options, x);
  for (const at::Tensor& y : result) EXPECT_TRUE(y.is_contiguous(last));
  // Vectors of channels pay from four on.
  for (int64_t channels : {2, 3, 4}) {
    const at::Tensor few = Random({2, channels, 6, 7});
    EXPECT_EQ(SpatialPropagation(few, ChannelsLast(RandomGates(few, options)),
                                 options)
                  .is_contiguous(last),
              channels >= 4);
  }
}

TEST(SpatialPropagationTest, AllocatesOutputsAndOneScratchBlock) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const auto options = Options(true, Rule::kDivide);
  for (int64_t images : {1, 2}) {
    for (bool channels_last : {false, true}) {
      const auto layout = [&](const at::Tensor& y) {
        return channels_last ? ChannelsLast(y) : y;
      };
      const at::Tensor x = layout(Random({images, 32, 64, 64}).to(at::kFloat));
      const at::Tensor gates = layout(RandomGates(x, options).to(at::kFloat));
      const at::Tensor x_leaf = x.detach().set_requires_grad(true);
      const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
      at::Tensor out;
      const Allocations inference =
          CountAllocations([&] { SpatialPropagation(x, gates, options); });
      const Allocations forward = CountAllocations(
          [&] { out = SpatialPropagation(x_leaf, gates_leaf, options); });
      const Allocations backward = CountAllocations([&] {
        torch::autograd::grad({out}, {x_leaf, gates_leaf}, {x});
      });
      EXPECT_EQ(inference.count, 2);  // output, scratch
      EXPECT_EQ(forward.count, 4);    // ... winner and checkpoints
      EXPECT_EQ(backward.count, 3);   // two gradients, scratch
      const double map = 4.0 * static_cast<double>(x.numel());
      // Two threads share the directions of one image: two maps more.
      const double shared = channels_last && images == 1 ? 2 : 0;
      const double lines = 0.4 * map / static_cast<double>(images);  // scratch
      EXPECT_LT(static_cast<double>(inference.bytes),
                (1 + shared) * map + lines);
      // Output, winners (a byte an element), and the states of every step in
      // channels last, of every 16th in planes.
      EXPECT_LT(static_cast<double>(forward.bytes),
                (channels_last ? 5.25 + shared : 2.25) * map + lines);
      EXPECT_LT(static_cast<double>(backward.bytes),
                (13 + shared) * map + 2.5 * lines);
    }
  }
  at::set_num_threads(threads);
}

// A graph of the gradients may be recorded, as a penalty elsewhere in a network
// needs; differentiating through them is an error, whatever they depend on.
TEST(SpatialPropagationTest, OnlyDifferentiatingTwiceIsRefused) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({1, 5, 6, 7});
  const at::Tensor gates = RandomGates(x, options);
  const at::Tensor cotangent = Random(x.sizes(), 5);
  const auto expected = RunWithGradients(x, gates, options, cotangent);
  for (bool sparse : {false, true}) {
    const auto leaf = [&](const at::Tensor& t) {
      return (sparse ? Sparse(t) : t.clone()).set_requires_grad(true);
    };
    const std::vector<at::Tensor> in = {leaf(x), leaf(gates), leaf(cotangent)};
    const at::Tensor out = SpatialPropagation(in[0], in[1], options);
    const auto gradients = torch::autograd::grad({out}, {in[0], in[1]}, {in[2]},
                                                 /*retain_graph=*/true,
                                                 /*create_graph=*/true);
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(at::equal(gradients[i], expected[i + 1]));
      for (const at::Tensor& source : in) {
        ExpectError(
            [&] {
              torch::autograd::grad({gradients[i].sum()}, {source}, {},
                                    /*retain_graph=*/true);
            },
            "SpatialPropagation: second derivatives are not supported");
      }
    }
  }
}

// The gradient of the gates is twelve maps that nobody needs here.
TEST(SpatialPropagationTest, GradientOfXAloneMakesNoneOfTheGates) {
  const int threads = at::get_num_threads();
  for (bool channels_last : {false, true}) {
    const auto layout = [&](const at::Tensor& y) {
      return (channels_last ? ChannelsLast(y) : y).to(at::kFloat);
    };
    for (const auto& options : AllOptions()) {
      const at::Tensor x = layout(Random({1, 32, 40, 33}));
      const at::Tensor gates = layout(RandomGates(x, options));
      const at::Tensor cotangent = layout(Random(x.sizes(), 5));
      for (int count : {1, 2, 3}) {
        at::set_num_threads(count);
        const auto both = RunWithGradients(x, gates, options, cotangent);
        const at::Tensor leaf = x.detach().set_requires_grad(true);
        const at::Tensor out = SpatialPropagation(leaf, gates, options);
        at::Tensor dx;
        const Allocations allocations = CountAllocations(
            [&] { dx = torch::autograd::grad({out}, {leaf}, {cotangent})[0]; });
        EXPECT_TRUE(at::equal(dx, both[1])) << Name(options);
        EXPECT_EQ(allocations.count, 2);  // the gradient, scratch
        const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
        EXPECT_TRUE(at::equal(
            torch::autograd::grad({SpatialPropagation(x, gates_leaf, options)},
                                  {gates_leaf}, {cotangent})[0],
            both[2]))
            << Name(options);
      }
    }
  }
  at::set_num_threads(threads);
}

TEST(SpatialPropagationTest, ChangingAnInputBeforeTheBackwardPassIsAnError) {
  const auto options = Options(true, Rule::kDivide);
  for (size_t changed : {0, 1}) {
    const at::Tensor x = Random({1, 5, 6, 7});
    const std::vector<at::Tensor> in = {
        x.clone().set_requires_grad(true),
        RandomGates(x, options).set_requires_grad(true)};
    const at::Tensor loss = SpatialPropagation(in[0], in[1], options).sum();
    {
      const c10::NoGradGuard no_grad;
      in[changed].add_(1);
    }
    ExpectError([&] { torch::autograd::grad({loss}, in); },
                "modified by an inplace operation");
  }
}

TEST(SpatialPropagationTest, EmptySizes) {
  const auto options = Options(true, Rule::kDivide);
  for (std::vector<int64_t> sizes : std::vector<std::vector<int64_t>>{
           {0, 3, 4, 5}, {2, 0, 4, 5}, {2, 3, 0, 5}, {2, 3, 4, 0}}) {
    const at::Tensor x = at::zeros(sizes).set_requires_grad(true);
    sizes[1] *= 12;
    const at::Tensor gates = at::zeros(sizes).set_requires_grad(true);
    const at::Tensor out = SpatialPropagation(x, gates, options);
    EXPECT_EQ(out.sizes(), x.sizes());
    const auto gradients = torch::autograd::grad({out.sum()}, {x, gates});
    EXPECT_EQ(gradients[0].sizes(), x.sizes());
    EXPECT_EQ(gradients[1].sizes(), gates.sizes());
  }
}

TEST(SpatialPropagationTest, Errors) {
  const at::Tensor x = at::zeros({2, 3, 4, 5});
  const at::Tensor gates = at::zeros({2, 36, 4, 5});
  ExpectError([&] { SpatialPropagation(x[0], gates); },
              "x must be [N, C, H, W], got sizes [3, 4, 5]");
  ExpectError(
      [&] {
        SpatialPropagation(x, at::zeros({2, 24, 4, 5}));
      },
      "gates must be [2, 36, 4, 5] (12 gates for each of 3 channels), got "
      "[2, 24, 4, 5]");
  ExpectError(
      [&] { SpatialPropagation(x, gates, Options(false, Rule::kClamp)); },
      "gates must be [2, 12, 4, 5] (4 gates for each of 3 channels), got "
      "[2, 36, 4, 5]");
  ExpectError(
      [&] { SpatialPropagationScan(x, gates, ScanDirection::kTopToBottom); },
      "gates must be [2, 9, 4, 5] (3 gates");
  ExpectError([&] { SpatialPropagation(x.to(at::kHalf), gates); },
              "x must be float32 or float64, got Half");
  ExpectError([&] { SpatialPropagation(x, gates.to(at::kDouble)); },
              "gates must have the type of x, Float, got Double");
  ExpectError([&] { SpatialPropagation(x.to(at::kMeta), gates); },
              "must be on the CPU (");
  for (Rule rule : {Rule::kDivide, Rule::kDividePlus}) {
    ExpectError([&] { SpatialPropagation(x, gates, Options(false, rule)); },
                "one-way gates need the normalization kClamp, kTanh or kNone");
    ExpectError([&] { SpatialPropagationLayer unit(Options(false, rule)); },
                "one-way gates need");
  }
}

// A tensor that says it is on a card, without memory.
at::Tensor OnCard(at::IntArrayRef sizes) {
  const at::Tensor x = at::detail::make_tensor<c10::TensorImpl>(
      c10::DispatchKeySet(c10::DispatchKey::CUDA),
      c10::scalarTypeToTypeMeta(at::kFloat), c10::Device(c10::kCUDA, 0));
  x.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return x;
}

TEST(SpatialPropagationTest, ABuildWithoutCudaSaysSo) {
  if (SpatialPropagationForwardOperator().hasKernelForDispatchKey(
          c10::DispatchKey::CUDA)) {
    GTEST_SKIP() << "this build has CUDA";
  }
  ExpectError(
      [] {
        SpatialPropagation(OnCard({1, 2, 4, 5}), OnCard({1, 24, 4, 5}));
      },
      "SpatialPropagation: built without CUDA; use --config=cuda");
}

TEST(SpatialPropagationLayerTest, AppliesItsOptions) {
  const auto options = Options(false, Rule::kTanh);
  SpatialPropagationLayer unit(options);
  EXPECT_EQ(unit->gate_channels(32), 128);
  EXPECT_EQ(SpatialPropagationLayer()->gate_channels(32), 384);
  EXPECT_TRUE(unit->parameters().empty());
  const at::Tensor x = Random({1, 5, 4, 4});
  const at::Tensor gates = RandomGates(x, options);
  EXPECT_TRUE(at::equal(unit(x, gates), SpatialPropagation(x, gates, options)));
  std::ostringstream text;
  text << unit;
  EXPECT_EQ(text.str(), "seg::SpatialPropagationLayer(one-way)");
}

}  // namespace
}  // namespace spatial_propagation_test
}  // namespace seg
