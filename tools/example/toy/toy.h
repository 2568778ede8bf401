// A paper in the frame of common/app: a convolutional network of two layers.
#ifndef TOOLS_EXAMPLE_TOY_TOY_H_
#define TOOLS_EXAMPLE_TOY_TOY_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "common/app/paper.h"
#include "common/app/paper_config.h"
#include "common/losses/cross_entropy.h"
#include "common/training/task.h"
#include "torch/nn/modules/conv.h"

namespace seg {
namespace toy {

struct Config : PaperConfig {
  EvalConfig eval;
  int64_t width = 16;
  static std::vector<KeyRule> Rules() {
    return PaperRules({{"width", 1, 1024}});
  }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Config, SEG_PAPER_KEYS, eval,
                                                width)

struct ModelImpl : torch::nn::Module {
  ModelImpl(int64_t width, int64_t classes)
      : first(register_module("first", Layer(3, width))),
        last(register_module("last", Layer(width, classes))) {}
  static torch::nn::Conv2d Layer(int64_t in, int64_t out) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 5).padding(2));
  }
  at::Tensor forward(const at::Tensor& images) {
    return last->forward(at::relu(first->forward(images / 255)));
  }
  torch::nn::Conv2d first, last;
};
TORCH_MODULE(Model);

struct ToyTask : Task {
  ToyTask(Model model, int64_t ignore_label) : model(model) {
    loss.ignore_label = ignore_label;
  }
  torch::nn::Module& module() override { return *model; }
  std::vector<Phase> Phases() override {
    return {{"main", {{"all", model->parameters()}}}};
  }
  StepLoss Loss(int64_t, const Batch& batch, int64_t) override {
    return {CrossEntropy(model->forward(batch.images), batch.masks, loss)};
  }
  Model model;
  CrossEntropyOptions loss;
};

struct Paper : PaperDefaults<Config, Model> {
  static constexpr char kName[] = "tools/example/toy";
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info) {
    return Model(config.width, info.num_classes());
  }
  static std::unique_ptr<Task> MakeTask(const Config&, Model model,
                                        const DatasetInfo& info) {
    return std::make_unique<ToyTask>(model, info.ignore_label);
  }
  static std::unique_ptr<Predictor> MakeSystem(const Config&,
                                               std::vector<Model> models) {
    Model model = models[0];
    return std::make_unique<FunctionPredictor>(
        std::vector<std::string>{"toy"}, [model](const Batch& batch) mutable {
          return std::vector<at::Tensor>{
              at::softmax(model->forward(batch.images), 1)};
        });
  }
};

}  // namespace toy
}  // namespace seg

#endif  // TOOLS_EXAMPLE_TOY_TOY_H_
