// The kernels in the emulator of common/testing/cuda_emulator against the CPU
// core: every design, rule and type, small shapes, several schedules.

#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"
#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/schedules.h"

namespace seg {
namespace {

using cuda::emulator::DeviceArray;
using cuda::emulator::ExpectSameInAllSchedules;
using cuda::emulator::ForEachSchedule;
using cuda::emulator::LastError;
using Design = SpatialPropagationDesign;
using Rule = GateNormalization;

struct Input {
  SpatialPropagationShape shape;
  std::vector<double> x, gates, gradient;
};

struct Result {
  std::vector<double> out, x_gradient, gates_gradient;
  std::vector<uint8_t> winner;
};

SpatialPropagationShape Shape(int64_t images, int64_t channels, int64_t height,
                              int64_t width) {
  SpatialPropagationShape shape;
  shape.images = images;
  shape.channels = channels;
  shape.height = height;
  shape.width = width;
  return shape;
}

// Values that float and, of the gates, bfloat16 hold.
Input RandomInput(const SpatialPropagationShape& shape, int seed = 3) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Input input;
  input.shape = shape;
  const int64_t elements = shape.planes() * shape.pixels();
  for (int64_t i = 0; i < elements; ++i) {
    input.x.push_back(normal(generator));
    input.gradient.push_back(normal(generator));
  }
  const float scale = shape.normalization == Rule::kNone ? 0.2f : 0.5f;
  for (int64_t i = 0; i < elements * shape.directions * shape.connections;
       ++i) {
    float gate = scale * normal(generator);
    uint32_t bits;
    std::memcpy(&bits, &gate, sizeof(bits));
    bits &= 0xffff0000u;
    std::memcpy(&gate, &bits, sizeof(bits));
    input.gates.push_back(gate);
  }
  return input;
}

template <typename T>
SpatialPropagationView<T> View(T* data, const SpatialPropagationShape& shape,
                               int64_t channels) {
  return {data, channels * shape.pixels(), shape.pixels(), shape.width, 1};
}

// By the CPU core, in double.
Result Expected(const Input& input) {
  const SpatialPropagationShape& shape = input.shape;
  SpatialPropagationPlan plan;
  plan.images = shape.images;
  plan.channels = shape.channels;
  plan.height = shape.height;
  plan.width = shape.width;
  plan.connections = shape.connections;
  plan.normalization = shape.normalization;
  plan.sum_all_gates = shape.sum_all_gates;
  plan.first_direction = shape.first_direction;
  plan.directions = shape.directions;
  const int64_t gate_channels =
      shape.directions * shape.connections * shape.channels;
  Result result;
  result.out.resize(input.x.size());
  result.x_gradient.resize(input.x.size());
  result.gates_gradient.resize(input.gates.size());
  result.winner.resize(input.x.size());
  // Aligned, and with room where vectors read beyond.
  constexpr int64_t kSlack = 64;
  const auto aligned = [](std::vector<double>* block) {
    return reinterpret_cast<double*>(
        (reinterpret_cast<uintptr_t>(block->data()) + 63) / 64 * 64);
  };
  std::vector<double> scratch(
      std::max(plan.forward_scratch(), plan.backward_scratch()) + kSlack);
  std::vector<double> checkpoints(
      plan.images * plan.channels * plan.checkpoint_elements() + kSlack);
  SpatialPropagationForwardTensors<double> f;
  f.x = View(input.x.data(), shape, shape.channels);
  f.gates = View(input.gates.data(), shape, gate_channels);
  f.out = View(result.out.data(), shape, shape.channels);
  f.winner = result.winner.data();
  f.checkpoints = aligned(&checkpoints);
  SpatialPropagationForward(plan, f, 0, plan.tasks(), aligned(&scratch));
  SpatialPropagationBackwardTensors<double> b;
  b.x = f.x;
  b.gates = f.gates;
  b.gradient = View(input.gradient.data(), shape, shape.channels);
  b.winner = View<const uint8_t>(result.winner.data(), shape, shape.channels);
  b.checkpoints = f.checkpoints;
  b.x_gradient = View(result.x_gradient.data(), shape, shape.channels);
  b.gates_gradient = View(result.gates_gradient.data(), shape, gate_channels);
  SpatialPropagationBackward(plan, b, 0, plan.tasks(), aligned(&scratch));
  return result;
}

template <typename T>
DeviceArray<T> ToDevice(const std::vector<double>& values) {
  return DeviceArray<T>(std::vector<T>(values.begin(), values.end()));
}

// bfloat16 as bits; exact for what RandomInput draws.
DeviceArray<uint16_t> ToBfloat16(const std::vector<double>& values) {
  std::vector<uint16_t> bits;
  for (double value : values) {
    const float x = static_cast<float>(value);
    uint32_t wide;
    std::memcpy(&wide, &x, sizeof(wide));
    bits.push_back(static_cast<uint16_t>(wide >> 16));
  }
  return DeviceArray<uint16_t>(bits);
}
std::vector<double> FromBfloat16(const std::vector<uint16_t>& bits) {
  std::vector<double> values;
  for (uint16_t b : bits) {
    const uint32_t wide = static_cast<uint32_t>(b) << 16;
    float x;
    std::memcpy(&x, &wide, sizeof(x));
    values.push_back(x);
  }
  return values;
}

template <typename T>
std::vector<double> ToHost(const DeviceArray<T>& array) {
  const std::vector<T> values = array.ToVector();
  return {values.begin(), values.end()};
}

SpatialPropagationTuning Resolve(const SpatialPropagationShape& shape,
                                 const SpatialPropagationTuning& tuning,
                                 size_t bytes, bool training, bool backward) {
  return tuning.design == Design::kAuto
             ? ChooseSpatialPropagationTuning(shape, bytes, training, backward)
             : tuning;
}

// Forward without and with what a backward pass needs, which must agree, and
// backward.
template <typename T>
Result RunKernels(const Input& input, const SpatialPropagationTuning& tuning) {
  const SpatialPropagationShape& shape = input.shape;
  const bool narrow = shape.bfloat16_gates;
  const DeviceArray<T> x = ToDevice<T>(input.x);
  const DeviceArray<T> gradient = ToDevice<T>(input.gradient);
  const DeviceArray<T> wide_gates =
      ToDevice<T>(narrow ? std::vector<double>() : input.gates);
  const DeviceArray<uint16_t> narrow_gates =
      ToBfloat16(narrow ? input.gates : std::vector<double>());
  const DeviceArray<T> out(input.x.size()), inference(input.x.size());
  const DeviceArray<uint8_t> winner(input.x.size());
  const DeviceArray<T> checkpoints(SpatialPropagationCheckpointElements(shape));
  Result result;

  SpatialPropagationForwardArguments<T> f;
  f.shape = shape;
  f.x = x.data();
  f.gates = narrow ? static_cast<const void*>(narrow_gates.data())
                   : wide_gates.data();
  {
    f.tuning = Resolve(shape, tuning, sizeof(T), false, false);
    const DeviceArray<char> scratch(
        SpatialPropagationScratchBytes(shape, f.tuning, sizeof(T)));
    f.scratch = scratch.data();
    f.out = inference.data();
    EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaSuccess)
        << LastError();
  }
  f.tuning = Resolve(shape, tuning, sizeof(T), true, false);
  const DeviceArray<char> scratch(
      SpatialPropagationScratchBytes(shape, f.tuning, sizeof(T)));
  f.scratch = scratch.data();
  f.out = out.data();
  f.winner = winner.data();
  f.checkpoints = checkpoints.data();
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaSuccess)
      << LastError();
  result.out = ToHost(out);
  const std::vector<double> alone = ToHost(inference);
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(alone[i] == result.out[i] ||
                (std::isnan(alone[i]) && std::isnan(result.out[i])))
        << i;
  }
  result.winner = winner.ToVector();

  const DeviceArray<T> x_gradient(input.x.size());
  const DeviceArray<T> wide_gradient(narrow ? 0 : input.gates.size());
  const DeviceArray<uint16_t> narrow_gradient(narrow ? input.gates.size() : 0);
  SpatialPropagationBackwardArguments<T> b;
  b.shape = shape;
  b.tuning = Resolve(shape, tuning, sizeof(T), true, true);
  b.x = x.data();
  b.gates = f.gates;
  b.gradient = gradient.data();
  b.winner = winner.data();
  b.checkpoints = checkpoints.data();
  b.x_gradient = x_gradient.data();
  b.gates_gradient = narrow ? static_cast<void*>(narrow_gradient.data())
                            : wide_gradient.data();
  const DeviceArray<char> backward_scratch(
      SpatialPropagationScratchBytes(shape, b.tuning, sizeof(T)));
  b.scratch = backward_scratch.data();
  EXPECT_EQ(LaunchSpatialPropagationBackward(b, nullptr), cudaSuccess)
      << LastError();
  result.x_gradient = ToHost(x_gradient);
  result.gates_gradient =
      narrow ? FromBfloat16(narrow_gradient.ToVector()) : ToHost(wide_gradient);
  return result;
}

void ExpectNear(const std::vector<double>& actual,
                const std::vector<double>& expected, double tolerance,
                const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  int wrong = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double bound = tolerance * std::max(1.0, std::abs(expected[i]));
    if (!(std::abs(actual[i] - expected[i]) <= bound) && ++wrong <= 3) {
      ADD_FAILURE() << what << ": element " << i << " is " << actual[i]
                    << ", expected " << expected[i];
    }
  }
  EXPECT_EQ(wrong, 0) << what << ": of " << actual.size();
}

// At most 40 steps of a few roundings (6e-8, 1e-16) on values below 10, and
// gates' gradients with a factor 1 / S of up to 100.
template <typename T>
constexpr double kTolerance = sizeof(T) == 4 ? 2e-5 : 1e-12;

template <typename T>
void Compare(const Result& actual, const Result& expected,
             const std::string& what, double gates_tolerance) {
  ExpectNear(actual.out, expected.out, kTolerance<T>, what + ", out");
  EXPECT_EQ(actual.winner, expected.winner) << what;
  ExpectNear(actual.x_gradient, expected.x_gradient, kTolerance<T>,
             what + ", dx");
  ExpectNear(actual.gates_gradient, expected.gates_gradient, gates_tolerance,
             what + ", dgates");
}

std::string Name(const SpatialPropagationShape& s,
                 const SpatialPropagationTuning& t) {
  return std::to_string(s.images) + "x" + std::to_string(s.channels) + "x" +
         std::to_string(s.height) + "x" + std::to_string(s.width) + ", K " +
         std::to_string(s.connections) + ", rule " +
         std::to_string(static_cast<int>(s.normalization)) +
         (s.sum_all_gates ? ", sum of all" : "") + ", directions " +
         std::to_string(s.first_direction) + "+" +
         std::to_string(s.directions) + ", design " +
         std::to_string(static_cast<int>(t.design)) + " of " +
         std::to_string(t.cluster) + ", stages " + std::to_string(t.stages);
}

// By one design in one schedule.
template <typename T>
void Check(const SpatialPropagationShape& shape,
           const SpatialPropagationTuning& tuning) {
  const Input input = RandomInput(shape);
  // bfloat16 gradients are rounded to 8 bits.
  const double gates_tolerance =
      shape.bfloat16_gates ? 5e-3 : 100 * kTolerance<T>;
  Compare<T>(RunKernels<T>(input, tuning), Expected(input), Name(shape, tuning),
             gates_tolerance);
}

std::vector<SpatialPropagationShape> EveryRule(
    const SpatialPropagationShape& base) {
  std::vector<SpatialPropagationShape> all;
  SpatialPropagationShape shape = base;
  shape.connections = 1;
  for (Rule rule : {Rule::kNone, Rule::kTanh, Rule::kClamp}) {
    shape.normalization = rule;
    all.push_back(shape);
  }
  shape.connections = 3;
  for (Rule rule : {Rule::kNone, Rule::kTanh, Rule::kDivide, Rule::kClamp,
                    Rule::kDividePlus}) {
    shape.normalization = rule;
    for (bool sum_all : {false, true}) {
      if (sum_all && rule == Rule::kNone) continue;
      shape.sum_all_gates = sum_all;
      all.push_back(shape);
    }
    shape.sum_all_gates = false;
  }
  return all;
}

// Designs for four directions; kGlobal of clusters needs no more lanes.
const std::vector<SpatialPropagationTuning> kEveryDesign = {
    {Design::kShared, 1, 2},     {Design::kShared, 1, 4},
    {Design::kGlobal, 1, 3},     {Design::kGlobal, 2, 2},
    {Design::kDirections, 1, 2}, {Design::kDirections, 1, 3},
    {Design::kSteps, 1, 2},      {Design::kAuto, 1, 2}};

TEST(SpatialPropagationCudaTest, EveryDesignAndShape) {
  for (const SpatialPropagationTuning& tuning : kEveryDesign) {
    for (const SpatialPropagationShape& shape :
         {Shape(2, 3, 9, 7), Shape(1, 1, 4, 19), Shape(1, 2, 16, 24),
          Shape(1, 1, 1, 6), Shape(1, 1, 6, 1), Shape(2, 1, 1, 1),
          Shape(1, 1, 13, 12), Shape(1, 1, 8, 8)}) {
      Check<float>(shape, tuning);
    }
  }
}

TEST(SpatialPropagationCudaTest, EveryRule) {
  for (const SpatialPropagationShape& shape : EveryRule(Shape(1, 2, 9, 12))) {
    Check<float>(shape, {Design::kShared, 1, 2});
    Check<float>(shape, {Design::kGlobal, 2, 2});
    Check<float>(shape, {Design::kDirections, 1, 2});
    Check<double>(shape, {Design::kGlobal, 1, 2});
    Check<float>(shape, {Design::kSteps, 1, 2});
  }
}

// Lines of one and of three windows have kernels of their own in some designs.
TEST(SpatialPropagationCudaTest, WholeTiles) {
  for (SpatialPropagationShape shape :
       {Shape(2, 2, 64, 8), Shape(1, 1, 24, 64), Shape(1, 1, 24, 40),
        Shape(1, 2, 16, 120), Shape(1, 1, 128, 16), Shape(1, 1, 8, 160)}) {
    for (bool narrow : {false, true}) {
      shape.bfloat16_gates = narrow;
      Check<float>(shape, {Design::kShared, 1, 2});
      Check<float>(shape, {Design::kShared, 1, 3});
      Check<float>(shape, {Design::kGlobal, 1, 2});
      Check<float>(shape, {Design::kGlobal, 2, 4});
      Check<float>(shape, {Design::kDirections, 1, 3});
      Check<float>(shape, {Design::kDirections, 1, 2});
    }
  }
}

// Windows of several warps, and of several blocks.
TEST(SpatialPropagationCudaTest, LinesOfManyWindows) {
  for (const SpatialPropagationShape& shape :
       {Shape(1, 1, 130, 9), Shape(1, 1, 11, 116), Shape(1, 1, 70, 72)}) {
    Check<float>(shape, {Design::kShared, 1, 2});
    Check<float>(shape, {Design::kGlobal, 1, 2});
    Check<float>(shape, {Design::kGlobal, 2, 2});
    Check<float>(shape, {Design::kGlobal, 4, 3});
    Check<float>(shape, {Design::kGlobal, 8, 2});
    Check<float>(shape, {Design::kDirections, 1, 2});
    Check<double>(shape, {Design::kGlobal, 2, 2});
    Check<float>(shape, {Design::kSteps, 1, 2});
  }
  Check<float>(Shape(1, 1, 256, 8), {Design::kGlobal, 2, 2});
}

TEST(SpatialPropagationCudaTest, OneDirectionAlone) {
  for (int direction = 0; direction < 4; ++direction) {
    for (const int connections : {1, 3}) {
      SpatialPropagationShape shape = Shape(2, 2, 12, 20);
      shape.connections = connections;
      shape.normalization = Rule::kClamp;
      shape.first_direction = direction;
      shape.directions = 1;
      Check<float>(shape, {Design::kShared, 1, 2});
      Check<float>(shape, {Design::kGlobal, 1, 2});
      Check<float>(shape, {Design::kSteps, 1, 2});
      Check<double>(shape, {Design::kAuto, 1, 2});
    }
  }
}

// Gates of bfloat16, states of float: out and dx as with the same gates in
// float, dgates rounded.
TEST(SpatialPropagationCudaTest, Bfloat16Gates) {
  for (SpatialPropagationShape shape : EveryRule(Shape(1, 2, 9, 16))) {
    shape.bfloat16_gates = true;
    Check<float>(shape, {Design::kShared, 1, 2});
    Check<float>(shape, {Design::kGlobal, 2, 2});
    Check<float>(shape, {Design::kDirections, 1, 2});
    Check<float>(shape, {Design::kSteps, 1, 2});
  }
  SpatialPropagationShape tanh = Shape(1, 2, 9, 16);
  tanh.normalization = Rule::kTanh;
  tanh.bfloat16_gates = true;
  for (const SpatialPropagationTuning& tuning : kEveryDesign) {
    ForEachSchedule([&] { Check<float>(tanh, tuning); }, 3);
  }
  for (SpatialPropagationShape shape :
       {Shape(1, 1, 7, 12), Shape(2, 1, 5, 3)}) {
    shape.bfloat16_gates = true;
    Check<float>(shape, {Design::kAuto, 1, 2});
  }
}

// Constant planes tie in all directions, rounded ones in some; NaN wins.
TEST(SpatialPropagationCudaTest, TiesAndNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const SpatialPropagationTuning& tuning : kEveryDesign) {
    Input input = RandomInput(Shape(1, 2, 9, 8));
    std::fill(input.x.begin(), input.x.begin() + 72, 0.1f);
    for (size_t i = 72; i < input.x.size(); ++i) {
      input.x[i] = std::round(2 * input.x[i]);
    }
    // The vertical directions return x.
    std::fill(input.gates.begin() + 12 * 72, input.gates.end(), 0.0);
    const Result constant = RunKernels<float>(input, tuning);
    const Result expected = Expected(input);
    Compare<float>(constant, expected, Name(input.shape, tuning),
                   100 * kTolerance<float>);
    for (int i = 0; i < 72; ++i) {
      EXPECT_EQ(constant.out[i], 0.1f);
      EXPECT_EQ(constant.winner[i], 0);
    }
    // A gate in the middle, and a pixel.
    for (int direction = 0; direction < 4; ++direction) {
      Input bad = RandomInput(Shape(1, 1, 9, 8));
      bad.gates[(direction * 3 + 1) * 72 + 4 * 8 + 4] = nan;
      if (direction == 3) bad.x[20] = nan;
      const Result actual = RunKernels<float>(bad, tuning);
      const Result wanted = Expected(bad);
      EXPECT_EQ(actual.winner, wanted.winner) << Name(bad.shape, tuning);
      for (size_t i = 0; i < actual.out.size(); ++i) {
        EXPECT_EQ(std::isnan(actual.out[i]), std::isnan(wanted.out[i])) << i;
      }
    }
  }
}

// What unused gates hold is not looked at.
TEST(SpatialPropagationCudaTest, UnusedGates) {
  Input input = RandomInput(Shape(1, 1, 6, 8));
  const Result expected = Expected(input);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto gate = [&](int direction, int k, int y, int x) -> double& {
    return input.gates[((direction * 3 + k) * 6 + y) * 8 + x];
  };
  for (int k = 0; k < 3; ++k) {
    for (int y = 0; y < 6; ++y) gate(0, k, y, 0) = gate(1, k, y, 7) = nan;
    for (int x = 0; x < 8; ++x) gate(2, k, 0, x) = gate(3, k, 5, x) = nan;
  }
  for (int x = 0; x < 8; ++x) {
    gate(0, 0, 0, x) = gate(0, 2, 5, x) = gate(1, 0, 0, x) = nan;
    gate(1, 2, 5, x) = nan;
  }
  for (int y = 0; y < 6; ++y) {
    gate(2, 0, y, 0) = gate(2, 2, y, 7) = gate(3, 0, y, 0) = nan;
    gate(3, 2, y, 7) = nan;
  }
  for (const SpatialPropagationTuning& tuning : kEveryDesign) {
    Compare<float>(RunKernels<float>(input, tuning), expected,
                   Name(input.shape, tuning), 100 * kTolerance<float>);
  }
}

TEST(SpatialPropagationCudaTest, SameBitsInEverySchedule) {
  for (const SpatialPropagationTuning& tuning :
       {SpatialPropagationTuning{Design::kShared, 1, 2},
        {Design::kShared, 1, 3},
        {Design::kGlobal, 1, 2},
        {Design::kGlobal, 2, 2},
        {Design::kDirections, 1, 2},
        {Design::kSteps, 1, 2}}) {
    for (const SpatialPropagationShape& shape :
         {Shape(1, 2, 20, 12), Shape(1, 1, 68, 9)}) {
      const Input input = RandomInput(shape);
      ExpectSameInAllSchedules([&] {
        const Result result = RunKernels<float>(input, tuning);
        std::vector<double> all = result.out;
        for (const auto* more : {&result.x_gradient, &result.gates_gradient}) {
          all.insert(all.end(), more->begin(), more->end());
        }
        all.insert(all.end(), result.winner.begin(), result.winner.end());
        return all;
      });
    }
  }
}

TEST(SpatialPropagationCudaTest, GradientOfXAlone) {
  const Input input = RandomInput(Shape(1, 1, 9, 8));
  const Result expected = Expected(input);
  const DeviceArray<float> x = ToDevice<float>(input.x);
  const DeviceArray<float> gates = ToDevice<float>(input.gates);
  const DeviceArray<float> gradient = ToDevice<float>(input.gradient);
  const DeviceArray<float> out(72), x_gradient(72);
  const DeviceArray<uint8_t> winner(72);
  const DeviceArray<float> checkpoints(
      SpatialPropagationCheckpointElements(input.shape));
  SpatialPropagationForwardArguments<float> f;
  f.shape = input.shape;
  f.x = x.data();
  f.gates = gates.data();
  f.out = out.data();
  f.winner = winner.data();
  f.checkpoints = checkpoints.data();
  ASSERT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaSuccess)
      << LastError();
  SpatialPropagationBackwardArguments<float> b;
  b.shape = input.shape;
  b.x = x.data();
  b.gates = gates.data();
  b.gradient = gradient.data();
  b.winner = winner.data();
  b.checkpoints = checkpoints.data();
  b.x_gradient = x_gradient.data();
  ASSERT_EQ(LaunchSpatialPropagationBackward(b, nullptr), cudaSuccess)
      << LastError();
  ExpectNear(ToHost(x_gradient), expected.x_gradient, kTolerance<float>, "dx");
}

TEST(SpatialPropagationCudaTest, EmptyAndRefused) {
  SpatialPropagationForwardArguments<float> f;
  f.shape = Shape(0, 3, 4, 5);
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaSuccess);
  f.shape = Shape(2, 3, 0, 5);
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaSuccess);
  f.shape = Shape(1, 1, 2, 2);
  f.shape.connections = 2;
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaErrorInvalidValue);
  // A direction alone has nothing for a cluster to merge.
  f.shape = Shape(1, 1, 2, 2);
  f.shape.directions = 1;
  f.tuning.design = Design::kDirections;
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaErrorInvalidValue);
  // kSteps without its scratch.
  f.shape = Shape(1, 1, 2, 2);
  f.tuning.design = Design::kSteps;
  EXPECT_EQ(LaunchSpatialPropagationForward(f, nullptr), cudaErrorInvalidValue);
}

// What is chosen, by arithmetic alone.
TEST(SpatialPropagationCudaTest, ChoosesADesignThatFits) {
  const auto design = [](const SpatialPropagationShape& shape, size_t bytes,
                         bool backward) {
    return ChooseSpatialPropagationTuning(shape, bytes, true, backward).design;
  };
  EXPECT_EQ(design(Shape(1, 32, 64, 64), 8, false), Design::kGlobal);
  EXPECT_EQ(design(Shape(1, 1, 4, 100000), 4, false), Design::kSteps);
  // The largest plane of whole tiles, and larger ones, in kShared.
  EXPECT_EQ(design(Shape(4, 32, 128, 128), 4, true), Design::kShared);
  EXPECT_EQ(design(Shape(4, 32, 144, 144), 4, true), Design::kShared);
}

// What was fastest on a card (README.md).
TEST(SpatialPropagationCudaTest, ChoosesTheFastest) {
  struct Case {
    SpatialPropagationShape shape;
    SpatialPropagationTuning forward, training, backward;
  };
  const Case cases[] = {
      {Shape(16, 32, 64, 64),
       {Design::kShared, 1, 4},
       {Design::kDirections, 1, 2},
       {Design::kShared, 1, 3}},
      {Shape(1, 32, 128, 128),
       {Design::kDirections, 1, 2},
       {Design::kDirections, 1, 2},
       {Design::kDirections, 1, 2}},
      {Shape(4, 32, 128, 128),
       {Design::kShared, 1, 3},
       {Design::kShared, 1, 3},
       {Design::kShared, 1, 2}},
      {Shape(8, 32, 256, 256),
       {Design::kGlobal, 1, 2},
       {Design::kGlobal, 2, 3},
       {Design::kGlobal, 2, 2}},
      {Shape(1, 32, 512, 512),
       {Design::kGlobal, 8, 2},
       {Design::kGlobal, 8, 2},
       {Design::kGlobal, 4, 2}},
  };
  for (const Case& c : cases) {
    const auto check = [&](const SpatialPropagationTuning& expected,
                           bool training, bool backward) {
      const SpatialPropagationTuning actual =
          ChooseSpatialPropagationTuning(c.shape, 4, training, backward);
      EXPECT_TRUE(actual.design == expected.design &&
                  actual.cluster == expected.cluster &&
                  actual.stages == expected.stages)
          << c.shape.height << " rows, training " << training << ", backward "
          << backward << ": cluster " << actual.cluster << ", stages "
          << actual.stages;
    };
    check(c.forward, false, false);
    check(c.training, true, false);
    check(c.backward, true, true);
  }
}

}  // namespace
}  // namespace seg
