// Runs mean-field inference on demand over a pipe, for
// tools/peers/dense_crf.py, which times it beside pydensecrf2.
//
// stdin:  a line "HEIGHT WIDTH LABELS THETA_POS THETA_COL ITERATIONS THREADS",
//         H W 3 bytes (RGB), L H W float32 (energies); then lines "run" or
//         "result"; end of file ends the program.
// stdout: for "run" (lattices and all iterations anew) a line with the seconds
//         of CPU time (of wall time when THREADS > 1); for "result" L H W
//         float32 probabilities.
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/base/keep_freed_memory.h"
#include "common/layers/mean_field/mean_field.h"

namespace {

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

template <typename T>
bool Read(std::vector<T>* data) {
  return std::fread(data->data(), sizeof(T), data->size(), stdin) ==
         data->size();
}

int Fail(const char* what) {
  std::fprintf(stderr, "mean_field_serve: %s\n", what);
  return 1;
}

}  // namespace

int main() {
  seg::KeepFreedMemory();  // as the mains do
  char line[256];
  long height = 0, width = 0, labels = 0;
  int threads = 0;
  seg::MeanFieldOptions options;
  if (std::fgets(line, sizeof(line), stdin) == nullptr ||
      std::sscanf(line, "%ld %ld %ld %lf %lf %ld %d", &height, &width, &labels,
                  &options.bilateral_theta_position,
                  &options.bilateral_theta_colour, &options.iterations,
                  &threads) != 7 ||
      height < 1 || width < 1 || labels < 1 || threads < 1) {
    return Fail("expected a header line of seven numbers");
  }
  std::vector<uint8_t> image(height * width * 3);
  std::vector<float> unary(labels * height * width);
  if (!Read(&image) || !Read(&unary)) return Fail("truncated image or unary");
  at::set_num_threads(threads);
  const at::Tensor images =
      at::from_blob(image.data(), {1, height, width, 3}, at::kByte)
          .permute({0, 3, 1, 2});
  const at::Tensor u =
      at::from_blob(unary.data(), {1, labels, height, width}, at::kFloat);
  const clockid_t clock =
      threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  at::Tensor q;
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    if (std::strcmp(line, "run\n") == 0) {
      const double start = Seconds(clock);
      q = seg::MeanField(u, images, options);
      std::printf("%.9f\n", Seconds(clock) - start);
    } else if (std::strcmp(line, "result\n") == 0 && q.defined()) {
      std::fwrite(q.const_data_ptr<float>(), sizeof(float), q.numel(), stdout);
    } else {
      return Fail("expected \"run\", then \"result\" or \"run\"");
    }
    std::fflush(stdout);
  }
  return 0;
}
