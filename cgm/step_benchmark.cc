// Times of the models, in two modes.
//
//   step_benchmark --type=cvae --threads=1
//     The training step: the peer of tools/peers/cgm_step.py, with the same
//     options and the same one line of JSON. Run both through
//     tools/peers/abba.py.
//   step_benchmark --table=1 --rounds=5
//     Table S4 as ratios to the CNN: forward pass in use, forward and backward
//     pass in training, for each type. In every round the types run in turn and
//     then in the opposite order; a ratio is one round's. Beside it the ratio
//     of multiply-adds in use.
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "cgm/config.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "cgm/objective.h"
#include "common/base/keep_freed_memory.h"
#include "common/testing/timing.h"
#include "common/training/optimizer.h"

namespace {

using seg::Clock;
using seg::Quantile;
using seg::Seconds;

using seg::cgm::Model;
using seg::cgm::ModelConfig;

constexpr const char* kTypes[] = {"cnn", "gdnn", "gsnn", "cvae", "hybrid"};

struct Flags {
  std::string type = "cvae";
  double width = 0.5;
  int64_t threads = 1, batch = 32, size = 64, classes = 2, warmup = 2,
          steps = 5, table = 0, rounds = 5, fused = 1;
};

// --name=value; false for anything else.
bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    if (arg.rfind("--", 0) != 0 || equals == std::string::npos) return false;
    const std::string name = arg.substr(2, equals - 2);
    const std::string value = arg.substr(equals + 1);
    if (name == "type") {
      flags->type = value;
      if (std::find(std::begin(kTypes), std::end(kTypes), value) ==
          std::end(kTypes)) {
        return false;
      }
      continue;
    }
    if (name == "width") {
      flags->width = std::atof(value.c_str());
      if (!(flags->width > 0)) return false;
      continue;
    }
    int64_t* number = name == "threads"   ? &flags->threads
                      : name == "batch"   ? &flags->batch
                      : name == "size"    ? &flags->size
                      : name == "classes" ? &flags->classes
                      : name == "warmup"  ? &flags->warmup
                      : name == "steps"   ? &flags->steps
                      : name == "rounds"  ? &flags->rounds
                      : name == "table"   ? &flags->table
                      : name == "fused"   ? &flags->fused
                                          : nullptr;
    if (number == nullptr) return false;
    *number = std::atoll(value.c_str());
    if (*number < (number == &flags->table || number == &flags->fused ? 0 : 1))
      return false;
  }
  return true;
}

Model MakeModel(const Flags& flags, const std::string& type) {
  ModelConfig config;
  config.type = nlohmann::json(type).get<seg::cgm::ModelType>();
  config.width = flags.width;
  config.fused_unpool = flags.fused != 0;
  Model model(config, flags.classes);
  const at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    at::Tensor& value = item.value();
    if (value.dim() != 4 ||
        item.key().find("log_variance") != std::string::npos) {
      value.zero_();
    } else {
      const double fan_in = static_cast<double>(value.numel()) / value.size(0);
      value.copy_(
          (at::arange(value.numel(), at::kDouble).sin() * std::sqrt(2 / fan_in))
              .view_as(value));
    }
  }
  return model;
}

struct Data {
  at::Tensor images, masks;
};

Data MakeData(const Flags& flags) {
  const int64_t n = flags.batch, s = flags.size;
  const at::Tensor index =
      at::arange(n * 3 * s * s, at::kDouble).view({n, 3, s, s});
  return {(127.5 + 127.5 * (index * 0.37).sin())
              .to(at::kFloat)
              .contiguous(at::MemoryFormat::ChannelsLast),
          at::arange(n * s * s)
              .view({n, s, s})
              .div(97, "floor")
              .remainder(flags.classes)};
}

seg::cgm::Objective Forward(Model& model, const Data& data) {
  return seg::cgm::ComputeObjective(
      model, model->Prepare(data.images),
      seg::cgm::OneHot(data.masks, model->classes()));
}

int RunStep(const Flags& flags) {
  Model model = MakeModel(flags, flags.type);
  model->train();
  seg::OptimizerConfig adam;
  adam.type = seg::OptimizerType::kAdam;
  adam.lr = 3e-4;
  adam.epsilon = 1e-6;
  adam.weight_decay = 3.2e-6;
  seg::Optimizer optimizer(adam, {{"all", model->parameters()}});
  const Data data = MakeData(flags);
  const at::Tensor skip = at::zeros({}, at::kFloat);
  std::vector<double> seconds, cpu_seconds;
  double first_loss = 0, last_loss = 0;
  for (int64_t step = 0; step < flags.warmup + flags.steps; ++step) {
    at::manual_seed(static_cast<uint64_t>(step));
    const double start = Seconds(Clock::kWall),
                 cpu_start = Seconds(Clock::kProcess);
    optimizer.ZeroGradients();
    const at::Tensor loss = Forward(model, data).loss;
    loss.backward();
    optimizer.Step(adam.lr, skip);
    last_loss = loss.item<double>();
    if (step == 0) first_loss = last_loss;
    if (step >= flags.warmup) {
      seconds.push_back(Seconds(Clock::kWall) - start);
      cpu_seconds.push_back(Seconds(Clock::kProcess) - cpu_start);
    }
  }
  std::printf(
      "{\"name\": \"C++ %s\", \"seconds_per_step\": %.6f, "
      "\"cpu_seconds_per_step\": %.6f, \"first_loss\": %.7f, "
      "\"last_loss\": %.7f}\n",
      flags.type.c_str(), Quantile(seconds, 0.5), Quantile(cpu_seconds, 0.5),
      first_loss, last_loss);
  return 0;
}

int RunTable(const Flags& flags) {
  const Data data = MakeData(flags);
  std::vector<Model> models;
  for (const char* type : kTypes) models.push_back(MakeModel(flags, type));
  // Seconds of: forward in use, forward in training, backward.
  const auto time = [&](Model& model, std::vector<double>* seconds) {
    model->eval();
    double start = Seconds(Clock::kProcess);
    {
      const c10::InferenceMode inference;
      const at::Tensor x = model->Prepare(data.images);
      at::Tensor scores = model->RunCnn(x).full;
      if (model->has_latent()) {
        scores = scores + model->Generate(model->Prior(x, scores).mean);
      }
      scores.argmax(1);
    }
    (*seconds)[0] += Seconds(Clock::kProcess) - start;
    model->train();
    start = Seconds(Clock::kProcess);
    const at::Tensor loss = Forward(model, data).loss;
    (*seconds)[1] += Seconds(Clock::kProcess) - start;
    start = Seconds(Clock::kProcess);
    loss.backward();
    (*seconds)[2] += Seconds(Clock::kProcess) - start;
    model->zero_grad();
  };
  std::vector<std::vector<std::vector<double>>> rounds;  // [round][type][phase]
  for (int64_t r = 0; r <= flags.rounds; ++r) {          // the first: warm-up
    std::vector<std::vector<double>> round(models.size(),
                                           std::vector<double>(3, 0.0));
    for (size_t t = 0; t < models.size(); ++t) time(models[t], &round[t]);
    for (size_t t = models.size(); t-- > 0;) time(models[t], &round[t]);
    if (r > 0) rounds.push_back(round);
  }
  const char* phases[] = {"forward, test", "forward, train", "backward, train"};
  std::printf("CPU time an image over the CNN's: quartiles of %d rounds\n%-17s",
              static_cast<int>(flags.rounds), "");
  for (const char* type : kTypes) std::printf("%24s", type);
  for (int phase = 0; phase < 3; ++phase) {
    std::printf("\n%-17s", phases[phase]);
    for (size_t t = 0; t < models.size(); ++t) {
      std::vector<double> ratios, milliseconds;
      for (const auto& round : rounds) {
        ratios.push_back(round[t][phase] / round[0][phase]);
        milliseconds.push_back(500 * round[t][phase] /
                               static_cast<double>(flags.batch));
      }
      std::printf("%9.2f ms %.2f-%.2f-%.2f", Quantile(milliseconds, 0.5),
                  Quantile(ratios, 0.25), Quantile(ratios, 0.5),
                  Quantile(ratios, 0.75));
    }
  }
  std::printf("\n%-17s", "multiply-adds");
  for (Model& model : models) {
    const seg::cgm::Cost cost =
        seg::cgm::MultiplyAdds(model->config(), flags.classes, flags.size,
                               flags.size, flags.fused != 0);
    std::printf(
        "%17.3f M %.2f", 1e-6 * static_cast<double>(cost.total()),
        static_cast<double>(cost.total()) / static_cast<double>(cost.cnn));
  }
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) {
    std::fprintf(stderr,
                 "usage: step_benchmark [--type=cnn|gdnn|gsnn|cvae|hybrid] "
                 "[--table=0|1] [--rounds=N] [--threads=N] [--batch=N] "
                 "[--size=N] [--width=X] [--classes=N] [--warmup=N] "
                 "[--steps=N] [--fused=0|1]\n");
    return 2;
  }
  seg::KeepFreedMemory();
  at::set_num_threads(static_cast<int>(flags.threads));
  return flags.table != 0 ? RunTable(flags) : RunStep(flags);
}
