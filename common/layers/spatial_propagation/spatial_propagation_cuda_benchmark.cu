// Times every design of the CUDA spatial propagation beside a copy and one
// launch a step, after comparing each with a plain loop in double. No LibTorch:
//   nvcc -O3 -std=c++17 -arch=sm_90 -I. -o spn_cuda_benchmark
//     common/layers/spatial_propagation/spatial_propagation_cuda*.cu
//   ./spn_cuda_benchmark [JSON]
// Three-way, rule kDivide. Medians of 20 batches by events; the tensors of
// small problems lie in turn in several places, beyond the caches. Ends with 1
// where a result was wrong.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"

namespace seg {
namespace {

using Design = SpatialPropagationDesign;
using Shape = SpatialPropagationShape;
using Tuning = SpatialPropagationTuning;

constexpr int kBatches = 20;
constexpr int64_t kBeyondCaches = 256 << 20;

void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

template <typename T>
struct Device {
  T* data = nullptr;
  int64_t size = 0;

  explicit Device(int64_t n) : size(n) {
    Check(cudaMalloc(&data, std::max<int64_t>(n, 1) * sizeof(T)), "cudaMalloc");
  }
  ~Device() { cudaFree(data); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  std::vector<T> ToHost() const {
    std::vector<T> host(size);
    Check(
        cudaMemcpy(host.data(), data, size * sizeof(T), cudaMemcpyDeviceToHost),
        "copy to the host");
    return host;
  }
};

// Numbers in [-1, 1], at least `least` from zero.
template <typename E>
__global__ void FillKernel(E* data, int64_t size, unsigned seed, float least) {
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < size; i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    unsigned h = static_cast<unsigned>(i) * 2654435761u + seed;
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    const float x = static_cast<float>(h) * (2.0f / 4294967296.0f) - 1.0f;
    const float away =
        x < 0.0f ? x * (1.0f - least) - least : x * (1.0f - least) + least;
    if constexpr (sizeof(E) == 2) {
      data[i] = __float2bfloat16(away);
    } else {
      data[i] = away;
    }
  }
}

template <typename E>
void Fill(const Device<E>& to, unsigned seed, float least) {
  Check(cuda::Launch(&FillKernel<E>, dim3(1024), dim3(256), 0, nullptr, to.data,
                     to.size, seed, least),
        "fill");
}

// Inputs and outputs of both passes.
struct Tensors {
  Device<float> x, out, gradient, x_gradient, checkpoints;
  Device<uint8_t> winner;
  Device<float> gates, gates_gradient;
  Device<__nv_bfloat16> narrow_gates, narrow_gradient;

  static int64_t Elements(const Shape& s) { return s.planes() * s.pixels(); }
  static int64_t Gates(const Shape& s, bool narrow) {
    return s.bfloat16_gates == narrow
               ? Elements(s) * s.directions * s.connections
               : 0;
  }
  Tensors(const Shape& s, unsigned seed)
      : x(Elements(s)),
        out(Elements(s)),
        gradient(Elements(s)),
        x_gradient(Elements(s)),
        checkpoints(SpatialPropagationCheckpointElements(s)),
        winner(Elements(s)),
        gates(Gates(s, false)),
        gates_gradient(Gates(s, false)),
        narrow_gates(Gates(s, true)),
        narrow_gradient(Gates(s, true)) {
    Fill(x, seed, 0.0f);
    Fill(gradient, seed + 1, 0.0f);
    Fill(gates, seed + 2, 0.1f);
    Fill(narrow_gates, seed + 2, 0.1f);
  }

  SpatialPropagationForwardArguments<float> Forward(const Shape& shape,
                                                    const Tuning& tuning,
                                                    bool training) const {
    SpatialPropagationForwardArguments<float> a;
    a.shape = shape;
    a.tuning = tuning;
    a.x = x.data;
    a.gates = shape.bfloat16_gates ? static_cast<const void*>(narrow_gates.data)
                                   : gates.data;
    a.out = out.data;
    if (training) {
      a.winner = winner.data;
      a.checkpoints = checkpoints.data;
    }
    return a;
  }
  SpatialPropagationBackwardArguments<float> Backward(
      const Shape& shape, const Tuning& tuning) const {
    SpatialPropagationBackwardArguments<float> a;
    a.shape = shape;
    a.tuning = tuning;
    a.x = x.data;
    a.gates = shape.bfloat16_gates ? static_cast<const void*>(narrow_gates.data)
                                   : gates.data;
    a.gradient = gradient.data;
    a.winner = winner.data;
    a.checkpoints = checkpoints.data;
    a.x_gradient = x_gradient.data;
    a.gates_gradient = shape.bfloat16_gates
                           ? static_cast<void*>(narrow_gradient.data)
                           : gates_gradient.data;
    return a;
  }
};

// The definition for one plane, three-way, rule kDivide, in double.
struct Plane {
  int height, width;
  const float* x;
  const float* gates[4][3];
  const float* gradient;

  struct Pixel {
    int lanes, steps;
    bool horizontal, reverse;
    int width;
    int At(int t, int i) const {
      const int position = reverse ? steps - 1 - t : t;
      return horizontal ? i * width + position : position * width + i;
    }
  };
  Pixel Scan(int d) const {
    const bool horizontal = d < 2;
    return {horizontal ? height : width, horizontal ? width : height,
            horizontal, d % 2 == 1, width};
  }
  // p, with S and the valid raw gates.
  double Gates(int d, const Pixel& s, int t, int i, double (&raw)[3],
               double (&p)[3]) const {
    double sum = 0.0;
    for (int k = 0; k < 3; ++k) {
      const bool valid = t > 0 && i + k - 1 >= 0 && i + k - 1 < s.lanes;
      raw[k] = valid ? gates[d][k][s.At(t, i)] : 0.0;
      sum += std::abs(raw[k]);
    }
    for (int k = 0; k < 3; ++k) p[k] = raw[k] / std::max(sum, 1e-6);
    return std::max(sum, 1e-6);
  }
  std::vector<std::vector<double>> Forward() const {
    std::vector<std::vector<double>> h(4);
    for (int d = 0; d < 4; ++d) {
      const Pixel s = Scan(d);
      h[d].resize(height * width);
      for (int t = 0; t < s.steps; ++t) {
        for (int i = 0; i < s.lanes; ++i) {
          double raw[3], p[3], value = x[s.At(t, i)];
          Gates(d, s, t, i, raw, p);
          for (int k = 0; k < 3; ++k) {
            if (raw[k] == 0.0) continue;
            value += p[k] * (h[d][s.At(t - 1, i + k - 1)] - x[s.At(t, i)]);
          }
          h[d][s.At(t, i)] = value;
        }
      }
    }
    return h;
  }
  // Of the maximum with these winners; dgates[d][k].
  void Backward(const std::vector<std::vector<double>>& h,
                const uint8_t* winner, std::vector<double>* dx,
                std::vector<double> (&dgates)[4][3]) const {
    dx->assign(height * width, 0.0);
    for (int d = 0; d < 4; ++d) {
      const Pixel s = Scan(d);
      std::vector<double> e(height * width);
      for (int k = 0; k < 3; ++k) dgates[d][k].assign(height * width, 0.0);
      for (int i = 0; i < height * width; ++i) {
        e[i] = winner[i] == d ? gradient[i] : 0.0;
      }
      for (int t = s.steps - 1; t >= 0; --t) {
        for (int i = 0; i < s.lanes; ++i) {
          const int at = s.At(t, i);
          double raw[3], p[3], diff[3] = {}, dot = 0.0, sum = 0.0;
          const double total = Gates(d, s, t, i, raw, p);
          for (int k = 0; k < 3; ++k) {
            if (raw[k] == 0.0) continue;
            const int from = s.At(t - 1, i + k - 1);
            e[from] += p[k] * e[at];
            diff[k] = e[at] * (h[d][from] - x[at]);
            dot += diff[k] * p[k];
            sum += p[k];
          }
          (*dx)[at] += (1.0 - sum) * e[at];
          for (int k = 0; k < 3; ++k) {
            if (raw[k] == 0.0) continue;
            dgates[d][k][at] = (diff[k] - (raw[k] > 0 ? dot : -dot)) / total;
          }
        }
      }
    }
  }
};

const char* Name(Design design) {
  switch (design) {
    case Design::kShared:
      return "shared";
    case Design::kGlobal:
      return "global";
    case Design::kDirections:
      return "directions";
    case Design::kSteps:
      return "steps";
    default:
      return "auto";
  }
}

std::vector<Tuning> Tunings() {
  std::vector<Tuning> all;
  for (int stages : {2, 3, 4}) {
    all.push_back({Design::kShared, 1, stages});
    all.push_back({Design::kDirections, 1, stages});
    for (int cluster : {1, 2, 4, 8}) {
      all.push_back({Design::kGlobal, cluster, stages});
    }
  }
  return all;
}

double Error(double actual, double expected) {
  const double error =
      std::abs(actual - expected) / std::max(1.0, std::abs(expected));
  return error == error ? error : 1e30;
}

// Every design that takes this shape; true where all agree with the loop.
bool CheckShape(const Shape& shape) {
  Tensors t(shape, 7);
  const std::vector<float> x = t.x.ToHost(), gates = t.gates.ToHost(),
                           gradient = t.gradient.ToHost();
  const int64_t pixels = shape.pixels();
  std::vector<Plane> planes;
  std::vector<std::vector<std::vector<double>>> states;
  for (int64_t i = 0; i < shape.planes(); ++i) {
    Plane plane{static_cast<int>(shape.height),
                static_cast<int>(shape.width),
                x.data() + i * pixels,
                {},
                gradient.data() + i * pixels};
    const int64_t n = i / shape.channels, c = i % shape.channels;
    for (int64_t d = 0; d < 4; ++d) {
      for (int64_t k = 0; k < 3; ++k) {
        plane.gates[d][k] =
            gates.data() + ((n * 12 + d * 3 + k) * shape.channels + c) * pixels;
      }
    }
    planes.push_back(plane);
    states.push_back(plane.Forward());
  }
  std::vector<Tuning> tunings = Tunings();
  tunings.push_back({Design::kSteps, 1, 2});
  bool good = true;
  for (const Tuning& tuning : tunings) {
    Device<char> scratch(
        SpatialPropagationScratchBytes(shape, tuning, sizeof(float)));
    auto forward = t.Forward(shape, tuning, true);
    auto backward = t.Backward(shape, tuning);
    forward.scratch = backward.scratch = scratch.data;
    cudaMemset(t.out.data, 0xff, t.out.size * 4);
    cudaMemset(t.x_gradient.data, 0xff, t.x_gradient.size * 4);
    cudaMemset(t.gates_gradient.data, 0xff, t.gates_gradient.size * 4);
    cudaError_t error = LaunchSpatialPropagationForward(forward, nullptr);
    if (error == cudaSuccess) {
      error = LaunchSpatialPropagationBackward(backward, nullptr);
    }
    if (error == cudaErrorInvalidValue) continue;  // does not fit
    Check(error, Name(tuning.design));
    Check(cudaDeviceSynchronize(), Name(tuning.design));
    const std::vector<float> out = t.out.ToHost(), dx = t.x_gradient.ToHost(),
                             dgates = t.gates_gradient.ToHost();
    const std::vector<uint8_t> winner = t.winner.ToHost();
    double worst[3] = {};
    for (int64_t i = 0; i < shape.planes(); ++i) {
      std::vector<double> x_gradient, gates_gradient[4][3];
      planes[i].Backward(states[i], winner.data() + i * pixels, &x_gradient,
                         gates_gradient);
      const int64_t n = i / shape.channels, c = i % shape.channels;
      for (int64_t j = 0; j < pixels; ++j) {
        double best = states[i][0][j];
        for (int d = 1; d < 4; ++d) best = std::max(best, states[i][d][j]);
        const int64_t at = i * pixels + j;
        const int won = winner[at] < 4 ? winner[at] : 0;
        worst[0] = std::max(
            {worst[0], Error(out[at], best), Error(states[i][won][j], best)});
        worst[1] = std::max(worst[1], Error(dx[at], x_gradient[j]));
        for (int64_t b = 0; b < 12; ++b) {
          worst[2] = std::max(
              worst[2],
              Error(dgates[((n * 12 + b) * shape.channels + c) * pixels + j],
                    gates_gradient[b / 3][b % 3][j]));
        }
      }
    }
    // Some hundred steps of a few roundings of 6e-8; 1 / S of up to 10.
    const bool right = worst[0] < 1e-4 && worst[1] < 1e-4 && worst[2] < 1e-3;
    if (!right) {
      good = false;
      std::printf("WRONG %dx%d %s of %d, stages %d: %.1e %.1e %.1e\n",
                  static_cast<int>(shape.height), static_cast<int>(shape.width),
                  Name(tuning.design), tuning.cluster, tuning.stages, worst[0],
                  worst[1], worst[2]);
    }
  }
  return good;
}

// Median microseconds of run(i), i counting up.
template <typename Function>
double Microseconds(int repetitions, int batches, Function run) {
  cudaEvent_t start, stop;
  Check(cudaEventCreate(&start), "event");
  Check(cudaEventCreate(&stop), "event");
  int count = 0;
  for (int i = 0; i < repetitions; ++i) run(count++);
  std::vector<double> times;
  for (int b = 0; b < batches; ++b) {
    Check(cudaEventRecord(start), "event");
    for (int i = 0; i < repetitions; ++i) run(count++);
    Check(cudaEventRecord(stop), "event");
    Check(cudaEventSynchronize(stop), "a kernel");
    float milliseconds = 0.0f;
    Check(cudaEventElapsedTime(&milliseconds, start, stop), "event");
    times.push_back(milliseconds * 1e3 / repetitions);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  std::nth_element(times.begin(), times.begin() + times.size() / 2,
                   times.end());
  return times[times.size() / 2];
}

// Bytes a second, read and written.
double CopyBandwidth() {
  constexpr int64_t kBytes = 512 << 20;
  Device<char> from(kBytes), to(kBytes);
  const double us = Microseconds(3, kBatches, [&](int) {
    Check(cudaMemcpyAsync(to.data, from.data, kBytes, cudaMemcpyDeviceToDevice),
          "copy");
  });
  return 2.0 * kBytes / (us * 1e-6);
}

class Report {
 public:
  Report(const char* path, double copy, const char* device) : copy_(copy) {
    if (path != nullptr) file_ = std::fopen(path, "w");
    std::printf("%s, copy %.0f GB/s\n", device, copy / 1e9);
    std::printf("%-16s %-9s %-5s %-11s %3s %3s %9s %7s %7s\n", "size", "pass",
                "gates", "design", "cl", "st", "us", "of copy", "x steps");
    if (file_ != nullptr) {
      std::fprintf(file_,
                   "{\"device\": \"%s\", \"copy_gb_s\": %.1f, \"rows\": [",
                   device, copy / 1e9);
    }
  }
  ~Report() {
    if (file_ == nullptr) return;
    std::fprintf(file_, "\n]}\n");
    std::fclose(file_);
  }
  void Row(const Shape& s, const char* pass, const Tuning& tuning, double us,
           double bytes, double steps_us, const char* mark) {
    const double share = bytes / (us * 1e-6) / copy_;
    char size[64];
    std::snprintf(size, sizeof(size), "N%d C%d %dx%d",
                  static_cast<int>(s.images), static_cast<int>(s.channels),
                  static_cast<int>(s.height), static_cast<int>(s.width));
    const char* gates = s.bfloat16_gates ? "bf16" : "fp32";
    std::printf("%-16s %-9s %-5s %-11s %3d %3d %9.1f %6.1f%% %7.1f %s\n", size,
                pass, gates, Name(tuning.design), tuning.cluster, tuning.stages,
                us, 100 * share, steps_us / us, mark);
    if (file_ == nullptr) return;
    std::fprintf(file_,
                 "%s\n{\"size\": \"%s\", \"pass\": \"%s\", \"gates\": \"%s\", "
                 "\"design\": \"%s\", \"cluster\": %d, \"stages\": %d, "
                 "\"us\": %.2f, \"of_copy\": %.4f, \"times_steps\": %.2f, "
                 "\"chosen\": %s}",
                 rows_++ == 0 ? "" : ",", size, pass, gates,
                 Name(tuning.design), tuning.cluster, tuning.stages, us, share,
                 steps_us / us, mark[0] != 0 ? "true" : "false");
  }

 private:
  FILE* file_ = nullptr;
  double copy_;
  int rows_ = 0;
};

bool Same(const Tuning& a, const Tuning& b) {
  return a.design == b.design && a.cluster == b.cluster && a.stages == b.stages;
}

// All designs that take the shape. `every`: else the one that is chosen.
void TimeShape(const Shape& shape, bool every, Report* report) {
  const double elements = static_cast<double>(Tensors::Elements(shape));
  const double gate_bytes = shape.bfloat16_gates ? 2.0 : 4.0;
  const double inference = elements * (12 * gate_bytes + 8);
  const double training = inference + elements;
  const double backward = elements * (24 * gate_bytes + 13);
  const int sets = static_cast<int>(
      std::max<int64_t>(1, std::min<int64_t>(16, kBeyondCaches / inference)));
  std::vector<std::unique_ptr<Tensors>> tensors;
  for (int i = 0; i < sets; ++i) {
    tensors.push_back(std::make_unique<Tensors>(shape, 100 * i));
  }
  struct Pass {
    const char* name;
    double bytes;
    bool training, back;
  };
  for (const Pass& pass : {Pass{"forward", inference, false, false},
                           Pass{"training", training, true, false},
                           Pass{"backward", backward, true, true}}) {
    const auto run = [&](const Tuning& tuning, void* scratch, int i) {
      const Tensors& t = *tensors[i % sets];
      if (pass.back) {
        auto a = t.Backward(shape, tuning);
        a.scratch = scratch;
        return LaunchSpatialPropagationBackward(a, nullptr);
      }
      auto a = t.Forward(shape, tuning, pass.training);
      a.scratch = scratch;
      return LaunchSpatialPropagationForward(a, nullptr);
    };
    const Tuning steps{Design::kSteps, 1, 2};
    Device<char> scratch(
        SpatialPropagationScratchBytes(shape, steps, sizeof(float)));
    const double steps_us = Microseconds(
        1, 3, [&](int i) { Check(run(steps, scratch.data, i), "steps"); });
    if (every)
      report->Row(shape, pass.name, steps, steps_us, pass.bytes, steps_us, "");
    const Tuning chosen = ChooseSpatialPropagationTuning(
        shape, sizeof(float), pass.training, pass.back);
    std::vector<Tuning> tunings = Tunings();
    if (!every) tunings = {chosen};
    for (const Tuning& tuning : tunings) {
      const cudaError_t error = run(tuning, nullptr, 0);
      if (error == cudaErrorInvalidValue) continue;  // does not fit
      Check(error, Name(tuning.design));
      const double us = Microseconds(
          std::max(2, std::min(sets, 8)), kBatches,
          [&](int i) { Check(run(tuning, nullptr, i), Name(tuning.design)); });
      report->Row(shape, pass.name, tuning, us, pass.bytes, steps_us,
                  Same(tuning, chosen) ? "<- chosen" : "");
    }
  }
}

Shape MakeShape(int64_t images, int64_t channels, int64_t height,
                int64_t width) {
  Shape shape;
  shape.images = images;
  shape.channels = channels;
  shape.height = height;
  shape.width = width;
  return shape;
}

int Main(int argc, char** argv) {
  bool good = true;
  for (const Shape& shape :
       {MakeShape(1, 2, 64, 64), MakeShape(2, 1, 37, 53),
        MakeShape(1, 1, 128, 128), MakeShape(1, 1, 256, 256),
        MakeShape(1, 1, 512, 512), MakeShape(1, 1, 72, 200)}) {
    good = CheckShape(shape) && good;
  }
  std::printf("results: %s\n", good ? "all as the loop's" : "WRONG");
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, 0), "device");
  Report report(argc > 1 ? argv[1] : nullptr, CopyBandwidth(), properties.name);
  for (bool narrow : {false, true}) {
    for (Shape shape : {MakeShape(16, 32, 64, 64), MakeShape(1, 32, 128, 128),
                        MakeShape(4, 32, 128, 128), MakeShape(8, 32, 256, 256),
                        MakeShape(1, 32, 512, 512)}) {
      shape.bfloat16_gates = narrow;
      TimeShape(shape, !narrow, &report);
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) { return seg::Main(argc, argv); }
