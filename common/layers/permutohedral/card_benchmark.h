// What lattice_cuda_benchmark.cu is made of besides the lattice: memory of the
// card, times, the table, a picture.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_CARD_BENCHMARK_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_CARD_BENCHMARK_H_

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace seg {
namespace card_benchmark {

constexpr int kWidth = 500;
constexpr int kHeight = 375;
constexpr int kPoints = kWidth * kHeight;
constexpr int kDim = 5;
constexpr int kCorners = kDim + 1;
constexpr int kEntries = kPoints * kCorners;
constexpr int kTaps = 63;
constexpr int kBatches = 25;

inline void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

inline void Expect(bool good, const std::string& what) {
  std::printf("%s: %s\n", good ? "good" : "WRONG", what.c_str());
  if (!good) std::exit(1);
}

template <typename T>
class Device {
 public:
  explicit Device(size_t size) : size_(size) {
    Check(cudaMalloc(&data_, std::max<size_t>(size, 1) * sizeof(T)), "malloc");
    Check(cudaMemset(data_, 0, std::max<size_t>(size, 1) * sizeof(T)),
          "memset");
  }
  explicit Device(const std::vector<T>& from) : Device(from.size()) {
    Check(cudaMemcpy(data_, from.data(), size_ * sizeof(T), cudaMemcpyDefault),
          "copy");
  }
  ~Device() { cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  T* get() const { return data_; }
  std::vector<T> Read(size_t size) const {
    std::vector<T> to(size);
    Check(cudaMemcpy(to.data(), data_, size * sizeof(T), cudaMemcpyDefault),
          "copy");
    return to;
  }
  std::vector<T> Read() const { return Read(size_); }

 private:
  size_t size_;
  T* data_ = nullptr;
};

inline cudaStream_t stream;
inline std::string json;

// Median and least time of a call, us, of kBatches batches of 20 calls.
struct Times {
  double median, least;
};
inline Times Measure(const std::function<void()>& call) {
  constexpr int kCalls = 20;
  cudaEvent_t begin, end;
  Check(cudaEventCreate(&begin), "event");
  Check(cudaEventCreate(&end), "event");
  for (int i = 0; i < 3; ++i) call();
  std::vector<double> times;
  for (int b = 0; b < kBatches; ++b) {
    Check(cudaEventRecord(begin, stream), "record");
    for (int i = 0; i < kCalls; ++i) call();
    Check(cudaEventRecord(end, stream), "record");
    Check(cudaEventSynchronize(end), "synchronise");
    float ms = 0;
    Check(cudaEventElapsedTime(&ms, begin, end), "time");
    times.push_back(1e3 * ms / kCalls);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return {times[kBatches / 2], times[0]};
}

// One line of the table: eager and captured.
inline void Report(const std::string& what, double goal,
                   const std::function<cudaError_t()>& run) {
  const Times eager = Measure([&] { Check(run(), what.c_str()); });
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
        "capture");
  Check(run(), what.c_str());
  Check(cudaStreamEndCapture(stream, &graph), "capture");
  Check(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
  const Times captured =
      Measure([&] { Check(cudaGraphLaunch(exec, stream), "graph"); });
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  std::printf("%-38s %9.1f %9.1f %9.1f", what.c_str(), captured.median,
              captured.least, eager.median);
  if (goal > 0) {
    std::printf("   goal %6.0f: %s", goal,
                captured.median <= goal ? "met" : "missed");
  }
  std::printf("\n");
  char line[256];
  std::snprintf(line, sizeof(line),
                "  {\"what\": \"%s\", \"captured_us\": %.2f, \"least_us\": "
                "%.2f, \"eager_us\": %.2f, \"goal_us\": %.0f},\n",
                what.c_str(), captured.median, captured.least, eager.median,
                goal);
  json += line;
}

// A smooth ground with textured discs, as benchmark_image.h, and noise of 12
// grey levels: it gives as many vertices as a busy photograph (27,000 and
// 340,000), where less gives so few that nothing is measured but launches.
inline std::vector<float> Features(float theta_position, float theta_colour) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::normal_distribution<float> noise(0, 12);
  struct Disc {
    float u[5], colour[3];
  };
  std::vector<Disc> discs(12);
  for (Disc& disc : discs) {
    for (float& u : disc.u) u = uniform(random);
    for (float& c : disc.colour) c = 20 + 215 * uniform(random);
  }
  std::vector<float> planes(kDim * kPoints);
  for (int p = 0; p < kPoints; ++p) {
    const float x = static_cast<float>(p % kWidth) / kWidth;
    const float y = static_cast<float>(p / kWidth) / kWidth;
    planes[p] = static_cast<float>(p % kWidth) / theta_position;
    planes[kPoints + p] = static_cast<float>(p / kWidth) / theta_position;
    for (int c = 0; c < 3; ++c) {
      float value = 90 + 60 * std::sin(5 * x + c) * std::cos(4 * y - c);
      for (const Disc& d : discs) {
        const float dx = x - d.u[1], dy = y - d.u[0];
        const float radius = 0.05f + 0.2f * d.u[2];
        if (dx * dx + dy * dy >= radius * radius) continue;
        value = d.colour[c] +
                18 * std::sin((20 + 100 * d.u[3]) * (x + (2 * d.u[4] - 1) * y));
      }
      value = std::round(std::min(255.f, std::max(0.f, value + noise(random))));
      planes[(2 + c) * kPoints + p] = value / theta_colour;
    }
  }
  return planes;
}

inline std::vector<float> RandomValues(size_t size, int seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> x(size);
  for (float& v : x) v = uniform(random);
  return x;
}

// Offsets of the support 1, [63][6]: the binary digits of the tap.
inline std::vector<int32_t> Offsets() {
  std::vector<int32_t> n;
  for (int tap = 0; tap < kTaps; ++tap) {
    for (int k = 0; k < kCorners; ++k) n.push_back(tap >> (kDim - k) & 1);
  }
  return n;
}

inline void CopyProbe() {
  constexpr size_t kBytes = size_t{1} << 29;
  const Device<char> from(kBytes), to(kBytes);
  const Times t = Measure([&] {
    Check(cudaMemcpyAsync(to.get(), from.get(), kBytes,
                          cudaMemcpyDeviceToDevice, stream),
          "copy");
  });
  const double speed = 2e-3 * kBytes / t.median;
  std::printf("copy: %.0f GB/s\n", speed);
  json +=
      "  {\"what\": \"copy\", \"gb_per_s\": " + std::to_string(speed) + "},\n";
}

}  // namespace card_benchmark
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_CARD_BENCHMARK_H_
