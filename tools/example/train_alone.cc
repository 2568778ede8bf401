// Lifting the Trainer: a network, its loss and generated data, without flags,
// configuration files or a paper. The folder to train into is the argument.
#include <cstdio>

#include "common/datasets/open.h"
#include "common/losses/cross_entropy.h"
#include "common/training/trainer.h"
#include "torch/nn/modules/conv.h"

struct OneConvolution : seg::Task {
  explicit OneConvolution(int64_t classes)
      : net(torch::nn::Conv2dOptions(3, classes, 5).padding(2)) {}
  torch::nn::Module& module() override { return *net; }
  std::vector<seg::Phase> Phases() override {
    return {{"main", {{"all", net->parameters()}}}};
  }
  seg::StepLoss Loss(int64_t, const seg::Batch& batch, int64_t) override {
    return {seg::CrossEntropy(net->forward(batch.images / 255), batch.masks)};
  }
  torch::nn::Conv2d net;
};

int main(int argc, char** argv) {
  seg::RunOptions run;
  run.paper = "one_convolution";
  run.work_dir = argc > 1 ? argv[1] : "";
  seg::TrainerOptions options;
  options.train.steps = 40;
  options.train.best_metric = "";  // nothing is measured: the last is the best
  const auto scenes = seg::OpenDataset(options.data, "", "train");
  OneConvolution task((*scenes)->info().num_classes());
  const absl::Status status = seg::Trainer(run, options, &task, *scenes).Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
