// Speed of the simplex projection on a card: the fused gradient step and the
// backward pass, float32 planes of 500 x 375 pixels, against a copy that moves
// as many bytes in the same run. A program of its own, no tensor library:
//
//   nvcc -O3 -std=c++17 -arch=sm_90 -I. -o simplex_benchmark
//     common/layers/simplex_projection/simplex_projection_cuda{,_benchmark}.cu
//   ./simplex_benchmark [results.json]
//
// Results are checked before anything is timed, on 4096 pixels, in float64 on
// the host. A time is the median of 25 batches of launches between two events,
// three batches thrown away before. Input and output of one call are several
// times the second level cache (50 MB) at 8 images and 8 labels or more; below
// that the share of the copy is one within the cache, as the copy's own.
// Exits 1 where a result is wrong, 2 where there is no card.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "common/cuda/kernel.h"
#include "common/layers/simplex_projection/simplex_projection_cuda.h"

namespace {

constexpr int64_t kPixels = 500 * 375;
constexpr int kBatches = 25, kWarmUp = 3, kChecked = 4096;
constexpr float kStep = 0.5f;

void Require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}

struct Device {
  float* data = nullptr;
  explicit Device(int64_t count) {
    Require(cudaMalloc(&data, count * sizeof(float)), "cudaMalloc");
  }
  ~Device() { cudaFree(data); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
};

// Uniform in [0, 1), a function of i: soft-max-like values without a library.
__global__ void Fill(float* to, int64_t count, float scale, unsigned seed) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < count; i += stride) {
    unsigned h = static_cast<unsigned>(i) * 2654435761u + seed;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    to[i] = scale * (static_cast<float>(h >> 8) * (1.0f / (1 << 24)));
  }
}

// The probe: reads kReads arrays, writes one, 16 bytes a thread and array.
template <int kReads>
__global__ void Copy(const float4* a, const float4* b, float4* to,
                     int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float4 v = a[i];
  if (kReads == 2) {
    const float4 w = b[i];
    v = make_float4(v.x + w.x, v.y + w.y, v.z + w.z, v.w + w.w);
  }
  to[i] = v;
}

// Microseconds a call.
double Time(const std::function<void()>& call) {
  cudaEvent_t begin, end;
  Require(cudaEventCreate(&begin), "cudaEventCreate");
  Require(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<double> times;
  int calls = 20;
  for (int batch = -kWarmUp; batch < kBatches; ++batch) {
    cudaEventRecord(begin);
    for (int i = 0; i < calls; ++i) call();
    cudaEventRecord(end);
    Require(cudaEventSynchronize(end), "a kernel");
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, begin, end);
    if (batch >= 0) times.push_back(1e3 * milliseconds / calls);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + kBatches / 2, times.end());
  return times[kBatches / 2];
}

std::vector<float> Download(const float* from, int64_t count) {
  std::vector<float> values(count);
  Require(cudaMemcpy(values.data(), from, count * sizeof(float),
                     cudaMemcpyDeviceToHost),
          "cudaMemcpy");
  return values;
}

// The projection of one pixel by sorting, and its gradient, in float64.
void Reference(std::vector<double> x, const std::vector<double>& g,
               std::vector<double>* y, std::vector<double>* r) {
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end(), std::greater<double>());
  double sum = 0, tau = 0, mean = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double next = (sum - 1) / static_cast<double>(i + 1);
    if (sorted[i] > next) tau = next;
  }
  int active = 0;
  for (size_t l = 0; l < x.size(); ++l) {
    (*y)[l] = std::max(x[l] - tau, 0.0);
    if (x[l] > tau) {
      mean += g[l];
      ++active;
    }
  }
  for (size_t l = 0; l < x.size(); ++l) {
    (*r)[l] = x[l] > tau ? g[l] - mean / active : 0;
  }
}

// The largest difference to the reference, over kChecked pixels of each image
// that are not within 1e-6 of a tie.
double LargestError(int64_t images, int64_t labels, const float* q,
                    const float* g, const float* y, const float* r) {
  double largest = 0;
  std::vector<double> x(labels), slope(labels), expected(labels), back(labels);
  for (int64_t n = 0; n < images; ++n) {
    const int64_t at = n * labels * kPixels, count = labels * kPixels;
    const std::vector<float> hq = Download(q + at, count),
                             hg = Download(g + at, count),
                             hy = Download(y + at, count),
                             hr = Download(r + at, count);
    for (int64_t i = 0; i < kChecked; ++i) {
      const int64_t p = i * (kPixels / kChecked);
      for (int64_t l = 0; l < labels; ++l) {
        slope[l] = hg[l * kPixels + p];
        x[l] = hq[l * kPixels + p] - static_cast<double>(kStep) * slope[l];
      }
      Reference(x, slope, &expected, &back);
      bool tie = false;
      for (int64_t l = 0; l < labels; ++l) {
        tie = tie || (expected[l] > 0) != (hy[l * kPixels + p] > 0);
        largest =
            std::max(largest, std::abs(expected[l] - hy[l * kPixels + p]));
      }
      for (int64_t l = 0; l < labels && !tie; ++l) {
        largest = std::max(largest, std::abs(back[l] - hr[l * kPixels + p]));
      }
    }
    if (n == 0 && images > 1) n = images - 2;  // the first and the last
  }
  return largest;
}

struct Row {
  int64_t labels, images;
  double forward, backward, copy, error;
  bool channels_last;
};

Row Measure(int64_t images, int64_t labels, bool channels_last) {
  const int64_t count = images * labels * kPixels;
  const Device q(count), g(count), y(count), r(count);
  Fill<<<1024, 256>>>(q.data, count, 1.0f, 1);
  Fill<<<1024, 256>>>(g.data, count, 1.0f, 77);
  const seg::SimplexSizes sizes = {images, labels, kPixels};
  const auto view = [&](auto* data) {
    return seg::SimplexView<std::remove_reference_t<decltype(*data)>>{
        data, labels * kPixels, channels_last ? 1 : kPixels,
        channels_last ? labels : 1};
  };
  const auto read = [&](const Device& d) {
    return view(static_cast<const float*>(d.data));
  };
  const auto forward = [&] {
    Require(seg::SimplexForwardCuda<float>(sizes, read(q), read(g), kStep, 0.0f,
                                           view(y.data), nullptr),
            "SimplexForwardCuda");
  };
  const auto backward = [&] {
    Require(seg::SimplexBackwardCuda<float>(sizes, read(y), read(g), 0.0f,
                                            view(r.data), nullptr),
            "SimplexBackwardCuda");
  };
  forward();
  backward();
  Row row = {labels, images, 0, 0, 0, 0, channels_last};
  if (!channels_last) {
    row.error = LargestError(images, labels, q.data, g.data, y.data, r.data);
  }
  row.forward = Time(forward);
  row.backward = Time(backward);
  const int64_t vectors = count / 4;
  const Device to(count);
  row.copy = Time([&] {
    Copy<2><<<static_cast<unsigned>((vectors + 255) / 256), 256>>>(
        reinterpret_cast<const float4*>(q.data),
        reinterpret_cast<const float4*>(g.data),
        reinterpret_cast<float4*>(to.data), vectors);
  });
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  cudaDeviceProp properties;
  Require(cudaGetDeviceProperties(&properties, 0), "no card");
  const int64_t vectors = 64 << 20;  // 1 GiB
  double copy_bandwidth = 0;
  {
    const Device from(4 * vectors), to(4 * vectors);
    Fill<<<1024, 256>>>(from.data, 4 * vectors, 1.0f, 5);
    copy_bandwidth = 2.0 * 16 * vectors / 1e3 / Time([&] {
                       Copy<1><<<static_cast<unsigned>(vectors / 256), 256>>>(
                           reinterpret_cast<const float4*>(from.data), nullptr,
                           reinterpret_cast<float4*>(to.data), vectors);
                     });
  }
  std::vector<Row> rows;
  for (bool channels_last : {false, true}) {
    for (int64_t labels : {2, 8, 21, 32, 64}) {
      for (int64_t images : {1, 8}) {
        rows.push_back(Measure(images, labels, channels_last));
      }
    }
  }
  std::printf("%s, copy of 1 GiB %.0f GB/s\n\n", properties.name,
              copy_bandwidth);
  std::printf(
      "| labels | images | layout | step, us | of copy | of 1 GiB | backward, "
      "us | of copy | error |\n| --- | --- | --- | --- | --- | --- | --- | --- "
      "| --- |\n");
  std::string json = "{\"card\": \"" + std::string(properties.name) +
                     "\", \"copy_gb_s\": " + std::to_string(copy_bandwidth) +
                     ", \"rows\": [";
  bool right = true;
  for (const Row& row : rows) {
    const double bytes = 12.0 * row.images * row.labels * kPixels;
    const char* layout = row.channels_last ? "channels last" : "planes";
    std::printf(
        "| %d | %d | %s | %.1f | %.0f %% | %.0f %% | %.1f | %.0f %% | "
        "%.1e |\n",
        static_cast<int>(row.labels), static_cast<int>(row.images), layout,
        row.forward, 100 * row.copy / row.forward,
        100 * bytes / 1e3 / row.forward / copy_bandwidth, row.backward,
        100 * row.copy / row.backward, row.error);
    char line[512];
    std::snprintf(line, sizeof(line),
                  "%s\n{\"labels\": %d, \"images\": %d, \"layout\": \"%s\", "
                  "\"step_us\": %.3f, \"backward_us\": %.3f, \"copy_us\": "
                  "%.3f, \"bytes\": %.0f, \"error\": %.3e}",
                  &row == rows.data() ? "" : ",", static_cast<int>(row.labels),
                  static_cast<int>(row.images), layout, row.forward,
                  row.backward, row.copy, bytes, row.error);
    json += line;
    // Values below 1: a few roundings of 6e-8, and of a mean of 64.
    right = right && row.error < 2e-6;
  }
  json += "\n]}\n";
  if (argc > 1) {
    std::FILE* file = std::fopen(argv[1], "w");
    if (file == nullptr || std::fputs(json.c_str(), file) < 0 ||
        std::fclose(file) != 0) {
      std::fprintf(stderr, "%s: cannot be written\n", argv[1]);
      return 2;
    }
  } else {
    std::printf("\n%s", json.c_str());
  }
  if (!right) std::fprintf(stderr, "a result is wrong\n");
  return right ? 0 : 1;
}
