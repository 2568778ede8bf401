// Reading pictures against the codec alone: A = DecodeImage (checks, planes, a
// tensor), B = TurboJPEG into an interleaved buffer that is used again. The
// runs of an iteration go A B B A; "ratio" is A / B, median and quartiles.
// 500 x 375 at quality 95, the size of the PASCAL VOC pictures.
#include <benchmark/benchmark.h>
#include <time.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr int64_t kHeight = 375, kWidth = 500;

// Smooth shapes with some texture: compresses about as photographs do.
at::Tensor Picture() {
  const at::Tensor y = at::arange(kHeight).view({1, kHeight, 1}).to(at::kFloat);
  const at::Tensor x = at::arange(kWidth).view({1, 1, kWidth}).to(at::kFloat);
  const at::Tensor c = at::arange(3).view({3, 1, 1}).to(at::kFloat);
  const at::Tensor waves = at::sin(x / (9 + 4 * c)) + at::cos(y / (7 + c)) +
                           0.3 * at::sin(x * y / 97) +
                           0.2 * at::sin(x * 1.7 + y * 2.3);
  return (127 + 40 * waves).clamp(0, 255).to(at::kByte);
}

// Processor time of this thread, so that other load does not count.
double Now() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * time.tv_nsec;
}

double Seconds(const std::function<void()>& run) {
  const double begin = Now();
  run();
  return Now() - begin;
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * (values.size() - 1))];
}

void BM_DecodeJpeg(benchmark::State& state) {
  const std::string bytes = EncodeJpeg(Picture()).value();
  std::vector<uint8_t> buffer(3 * kHeight * kWidth);
  at::Tensor image;
  const auto ours = [&] { image = *DecodeImage(bytes); };
  const tjhandle handle = tjInitDecompress();
  const auto codec = [&] {
    if (tjDecompress2(handle,
                      reinterpret_cast<const unsigned char*>(bytes.data()),
                      bytes.size(), buffer.data(), kWidth, 0, kHeight, TJPF_RGB,
                      0) != 0) {
      std::abort();
    }
  };
  ours();
  codec();
  const at::Tensor same =
      at::from_blob(buffer.data(), {kHeight, kWidth, 3}, at::kByte)
          .permute({2, 0, 1});
  if (!at::equal(image, same)) {
    state.SkipWithError("results differ");
    return;
  }
  std::vector<double> a, b, ratios;
  for (auto _ : state) {
    const double a1 = Seconds(ours), b1 = Seconds(codec);
    const double b2 = Seconds(codec), a2 = Seconds(ours);
    a.push_back((a1 + a2) / 2);
    b.push_back((b1 + b2) / 2);
    ratios.push_back((a1 + a2) / (b1 + b2));
    state.SetIterationTime((a1 + a2) / 2);
  }
  tjDestroy(handle);
  state.counters["ours_ms"] = 1e3 * Quantile(a, 0.5);
  state.counters["codec_ms"] = 1e3 * Quantile(b, 0.5);
  state.counters["ratio"] = Quantile(ratios, 0.5);
  state.counters["ratio_q1"] = Quantile(ratios, 0.25);
  state.counters["ratio_q3"] = Quantile(ratios, 0.75);
}
BENCHMARK(BM_DecodeJpeg)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
