// Training step of the EfficientNet-Lite0 FCN, the peer of
// tools/peers/fcn_step.py: same network, weights, images, loss and optimiser,
// the same options and the same one line of JSON. Run both through
// tools/peers/abba.py.
//
//   fcn_benchmark --weights=efficientnet_lite0.pth --threads=2

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/backbones/fcn.h"
#include "common/backbones/state_dict.h"
#include "common/base/keep_freed_memory.h"
#include "common/testing/timing.h"
#include "torch/optim/sgd.h"

namespace {

using seg::Clock;
using seg::Quantile;
using seg::Seconds;

struct Flags {
  std::string weights;
  int64_t threads = 2, batch = 8, size = 256, classes = 2, warmup = 3,
          steps = 8;
  int64_t keep_memory = 1;  // 0: malloc as it is by default
};

// --name=value; false for anything else.
bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    if (arg.rfind("--", 0) != 0 || equals == std::string::npos) return false;
    const std::string name = arg.substr(2, equals - 2);
    const std::string value = arg.substr(equals + 1);
    if (name == "weights") {
      flags->weights = value;
      continue;
    }
    int64_t* number = name == "threads"       ? &flags->threads
                      : name == "batch"       ? &flags->batch
                      : name == "size"        ? &flags->size
                      : name == "classes"     ? &flags->classes
                      : name == "warmup"      ? &flags->warmup
                      : name == "steps"       ? &flags->steps
                      : name == "keep_memory" ? &flags->keep_memory
                                              : nullptr;
    if (number == nullptr) return false;
    *number = std::atoll(value.c_str());
    if (*number < (number == &flags->keep_memory ? 0 : 1)) return false;
  }
  return true;
}

int Run(const Flags& flags) {
  at::set_num_threads(static_cast<int>(flags.threads));
  seg::Fcn fcn(seg::FcnOptions("efficientnet_lite0", flags.classes)
                   .drop_connect_rate(0));
  if (!flags.weights.empty()) {
    if (const absl::Status status =
            seg::LoadBackboneWeights(fcn, flags.weights);
        !status.ok()) {
      std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
      return 1;
    }
  }
  for (const auto& [name, value] : seg::StateDict(*fcn)) {
    if (name.rfind("head.", 0) != 0) continue;
    if (value.dim() == 1) {
      value.zero_();
    } else {
      value.copy_((0.1 * at::arange(value.numel()).to(at::kFloat).sin())
                      .view_as(value));
    }
  }
  fcn->train();
  torch::optim::SGD optimizer(
      fcn->parameters(),
      torch::optim::SGDOptions(0.001).momentum(0.9).weight_decay(5e-4));

  const int64_t n = flags.batch, s = flags.size;
  const at::Tensor index =
      at::arange(n * 3 * s * s, at::kDouble).view({n, 3, s, s});
  const at::Tensor images = (127.5 + 127.5 * (index * 0.37).sin())
                                .to(at::kFloat)
                                .contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor masks = at::arange(n * s * s)
                               .view({n, s, s})
                               .div(97, "floor")
                               .remainder(flags.classes);

  std::vector<double> seconds, cpu_seconds;
  double first_loss = 0, last_loss = 0;
  for (int64_t step = 0; step < flags.warmup + flags.steps; ++step) {
    const double start = Seconds(Clock::kWall),
                 cpu_start = Seconds(Clock::kProcess);
    optimizer.zero_grad();
    const at::Tensor loss = at::cross_entropy_loss(fcn(images), masks);
    loss.backward();
    optimizer.step();
    last_loss = loss.item<double>();
    if (step == 0) first_loss = last_loss;
    if (step >= flags.warmup) {
      seconds.push_back(Seconds(Clock::kWall) - start);
      cpu_seconds.push_back(Seconds(Clock::kProcess) - cpu_start);
    }
  }
  std::printf(
      "{\"name\": \"C++\", \"seconds_per_step\": %.6f, "
      "\"cpu_seconds_per_step\": %.6f, \"first_loss\": %.7f, "
      "\"last_loss\": %.7f}\n",
      Quantile(seconds, 0.5), Quantile(cpu_seconds, 0.5), first_loss,
      last_loss);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) {
    std::fprintf(stderr,
                 "usage: fcn_benchmark [--weights=FILE] [--threads=N] "
                 "[--batch=N] [--size=N] [--classes=N] [--warmup=N] "
                 "[--steps=N] [--keep_memory=0|1]\n");
    return 2;
  }
  if (flags.keep_memory != 0) seg::KeepFreedMemory();
  return Run(flags);
}
