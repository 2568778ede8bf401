// Time of a training iteration: the peer of tools/peers/ganseg_step.py, with
// the same options and the same one line of JSON. Run both through
// tools/peers/abba.py.
//
//   step_benchmark --threads=2
//
// --image=32 (default) is GeneratorOptions::Demo(), --image=64 the narrow
// networks of configs/weizmann.yaml.
//
// An iteration is a step of the discriminator (the generator without gradients)
// and one of the generator; the gradient penalty joins at every 16th iteration,
// the geometric losses at every 2nd. Times are means over whole periods.
//
//   step_benchmark --threads=2 --parts=1
//
// also prints how much of an iteration each part takes.
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/base/keep_freed_memory.h"
#include "common/testing/timing.h"
#include "common/training/optimizer.h"
#include "ganseg/discriminator.h"
#include "ganseg/generator.h"
#include "ganseg/losses.h"

namespace {

using seg::Clock;
using seg::Seconds;
using namespace seg::ganseg;  // NOLINT: a program

constexpr int64_t kPenaltyInterval = 16, kGeometryInterval = 2;
constexpr double kPenalty = 10, kConcentration = 5, kArea = 1;
constexpr double kRate = 1e-3;  // of both

struct Flags {
  int64_t threads = 2, batch = 16, warmup = 4, steps = 32, parts = 0;
  int64_t image = 32;
};

// --name=value; false for anything else.
bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    if (arg.rfind("--", 0) != 0 || equals == std::string::npos) return false;
    const std::string name = arg.substr(2, equals - 2);
    int64_t* number = name == "threads"  ? &flags->threads
                      : name == "batch"  ? &flags->batch
                      : name == "warmup" ? &flags->warmup
                      : name == "steps"  ? &flags->steps
                      : name == "parts"  ? &flags->parts
                      : name == "image"  ? &flags->image
                                         : nullptr;
    if (number == nullptr) return false;
    *number = std::atoll(arg.substr(equals + 1).c_str());
    if (*number < (number == &flags->parts ? 0 : 1)) return false;
  }
  return flags->image == 32 || flags->image == 64;
}

// configs/weizmann.yaml: 1.28 G multiply-adds.
GeneratorOptions Narrow64() {
  return GeneratorOptions()
      .noise_size(128)
      .mlp_width(128)
      .embedding_size(32)
      .position_channels(32)
      .spade_hidden(32)
      .adain_hidden(32)
      .block_sizes({16, 32, 64})
      .margins({7, 6, 4})
      .mask_channels({32, 32})
      .foreground_channels({64, 32, 32})
      .background_channels({64, 32, 32})
      .head(HeadType::kConv1x1);
}

DiscriminatorOptions NarrowDiscriminator64() {
  return DiscriminatorOptions()
      .channels({32, 64, 128, 256, 256})
      .fc_width(256)
      .image_size(64);
}

// The same start in both programs: sines with Kaiming's variance.
void Fill(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (auto& item : module.named_parameters()) {
    at::Tensor& value = item.value();
    if (value.dim() < 2) {
      value.zero_();
      continue;
    }
    const double fan_in = item.key() == "part_embedding"
                              ? 1
                              : static_cast<double>(value[0].numel());
    value.copy_((at::arange(1, value.numel() + 1, at::kDouble).sin() *
                 std::sqrt(4 / (1.04 * fan_in)))
                    .view_as(value));
  }
}

seg::Optimizer MakeAdam(const torch::nn::Module& module) {
  seg::OptimizerConfig adam;
  adam.type = seg::OptimizerType::kAdam;
  adam.lr = kRate;
  adam.beta1 = 0.5;
  adam.beta2 = 0.9;
  return seg::Optimizer(adam, {{"all", module.parameters()}});
}

// Adds up the time between calls by name.
class Stopwatch {
 public:
  void Start() { last_ = Seconds(Clock::kWall); }
  void Stop(const std::string& part) {
    const double now = Seconds(Clock::kWall);
    for (auto& [name, seconds] : parts_) {
      if (name == part) {
        seconds += now - last_;
        last_ = now;
        return;
      }
    }
    parts_.push_back({part, now - last_});
    last_ = now;
  }
  void Clear() { parts_.clear(); }
  void Print(double iterations) const {
    for (const auto& [name, seconds] : parts_) {
      std::printf("%8.2f ms  %s\n", 1e3 * seconds / iterations, name.c_str());
    }
  }

 private:
  double last_ = 0;
  std::vector<std::pair<std::string, double>> parts_;
};

class Training {
 public:
  explicit Training(const Flags& flags)
      : batch_(flags.batch),
        generator_(flags.image == 64 ? Narrow64() : GeneratorOptions::Demo()),
        discriminator_(flags.image == 64 ? NarrowDiscriminator64()
                                         : DiscriminatorOptions::Demo()),
        generator_optimizer_((Fill(*generator_), MakeAdam(*generator_))),
        discriminator_optimizer_(
            (Fill(*discriminator_), MakeAdam(*discriminator_))) {
    const int64_t s = generator_->options().image_size();
    const at::Tensor index =
        at::arange(batch_ * 3 * s * s, at::kDouble).view({batch_, 3, s, s});
    real_ = (index * 0.37)
                .sin()
                .to(at::kFloat)
                .contiguous(at::MemoryFormat::ChannelsLast);
  }

  // -> the sum of both losses.
  double Iteration(int64_t step) {
    watch.Start();
    return DiscriminatorStep(step) + GeneratorStep(step);
  }

  Stopwatch watch;

 private:
  Generated Generate() {
    return generator_->forward(SampleLatents(batch_, generator_->options()));
  }

  double DiscriminatorStep(int64_t step) {
    discriminator_optimizer_.ZeroGradients();
    at::Tensor fake;
    {
      const at::NoGradGuard no_grad;
      fake = Generate().images;
    }
    watch.Stop("D step: generator forward");
    const bool penalised = step % kPenaltyInterval == 0;
    const at::Tensor images = real_.detach().set_requires_grad(penalised);
    const at::Tensor real_scores = discriminator_->forward(images);
    at::Tensor loss =
        DiscriminatorLoss(real_scores, discriminator_->forward(fake));
    watch.Stop("D step: discriminator forward");
    if (penalised) {
      loss = loss + kPenalty * GradientPenalty(real_scores, images, 1);
      watch.Stop("D step: penalty, every 16th");
    }
    loss.backward();
    watch.Stop("D step: backward");
    discriminator_optimizer_.Step(kRate, skip_);
    watch.Stop("D step: Adam");
    return loss.item<double>();
  }

  double GeneratorStep(int64_t step) {
    generator_optimizer_.ZeroGradients();
    for (at::Tensor& p : discriminator_->parameters()) {
      p.set_requires_grad(false);
    }
    const Generated out = Generate();
    watch.Stop("G step: generator forward");
    at::Tensor loss = GeneratorLoss(discriminator_->forward(out.images));
    watch.Stop("G step: discriminator forward");
    if (step % kGeometryInterval == 0) {
      loss = loss + kConcentration * Concentration(out.masks, out.centres) +
             kArea * Area(out.masks, out.points);
      watch.Stop("G step: geometric losses, every 2nd");
    }
    loss.backward();
    for (at::Tensor& p : discriminator_->parameters()) {
      p.set_requires_grad(true);
    }
    watch.Stop("G step: backward");
    generator_optimizer_.Step(kRate, skip_);
    watch.Stop("G step: Adam");
    return loss.item<double>();
  }

  int64_t batch_;
  Generator generator_;
  Discriminator discriminator_;
  seg::Optimizer generator_optimizer_, discriminator_optimizer_;
  const at::Tensor skip_ = at::zeros({}, at::kFloat);
  at::Tensor real_;
};

int Run(const Flags& flags) {
  Training training(flags);
  double first_loss = 0, last_loss = 0, start = 0, cpu_start = 0;
  for (int64_t step = 0; step < flags.warmup + flags.steps; ++step) {
    if (step == flags.warmup) {
      training.watch.Clear();
      start = Seconds(Clock::kWall);
      cpu_start = Seconds(Clock::kProcess);
    }
    at::manual_seed(static_cast<uint64_t>(step));
    last_loss = training.Iteration(step);
    if (step == 0) first_loss = last_loss;
  }
  const double steps = static_cast<double>(flags.steps);
  const double seconds = (Seconds(Clock::kWall) - start) / steps;
  const double cpu_seconds = (Seconds(Clock::kProcess) - cpu_start) / steps;
  if (flags.parts != 0) training.watch.Print(steps);
  std::printf(
      "{\"name\": \"C++ ganseg\", \"seconds_per_step\": %.6f, "
      "\"cpu_seconds_per_step\": %.6f, \"first_loss\": %.7f, "
      "\"last_loss\": %.7f}\n",
      seconds, cpu_seconds, first_loss, last_loss);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) {
    std::fprintf(stderr,
                 "usage: step_benchmark [--threads=N] [--batch=N] "
                 "[--warmup=N] [--steps=N] [--parts=0|1] "
                 "[--image=32|64]\n");
    return 2;
  }
  seg::KeepFreedMemory();
  at::set_num_threads(static_cast<int>(flags.threads));
  return Run(flags);
}
