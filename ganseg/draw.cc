#include "ganseg/draw.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kBatch = 32;

// The default generator of a device, seeded while this lives.
class Seeded {
 public:
  Seeded(c10::Device device, uint64_t seed)
      : generator_(at::globalContext().defaultGenerator(device)),
        state_(generator_.get_state()) {
    generator_.set_current_seed(seed);
  }
  ~Seeded() { generator_.set_state(state_); }

 private:
  at::Generator generator_;
  const at::Tensor state_;
};

}  // namespace

void DrawSamples(Model& model, int64_t samples, uint64_t seed,
                 const std::function<void(const Generated& batch)>& use) {
  const at::NoGradGuard no_grad;
  const Seeded seeded(model->device(), seed);
  Generator& generator = model->sampler();
  for (int64_t done = 0; done < samples; done += kBatch) {
    use(generator->forward(SampleLatents(std::min(kBatch, samples - done),
                                         generator->options(),
                                         model->device())));
  }
}

}  // namespace ganseg
}  // namespace seg
