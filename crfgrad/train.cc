// Trains an FCN with or without the CRF-Grad layer: see README.md.
#include <ATen/Utils.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/backbones/pretrained.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/label_census.h"
#include "common/datasets/open.h"
#include "common/training/resume.h"
#include "common/training/trainer.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"
#include "crfgrad/task.h"
#include "torch/utils.h"

namespace {

absl::Status Train(seg::MainArgs args) {
  seg::crfgrad::Config config;
  SEG_RETURN_IF_ERROR(seg::LoadTrainConfig(&args, &config));
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       seg::ResolveDevice(args.device, config.CpuOnly()));
  args.device = device.str();
  const auto open = [&](const std::string& split) {
    return seg::OpenLabelledDataset(config.data, args.data_root, split);
  };
  seg::DataConfig train_data = config.data;
  if (config.model.input_size > 0) {
    train_data.resize_height = train_data.resize_width =
        config.model.input_size;
  }
  SEG_ASSIGN_OR_RETURN(
      const auto train,
      seg::OpenLabelledDataset(train_data, args.data_root, "train"));
  SEG_ASSIGN_OR_RETURN(const auto val, open("val"));
  SEG_ASSIGN_OR_RETURN(const auto report, open(config.report_split));
  SEG_RETURN_IF_ERROR(seg::WarnOfTrainingLabels(*train));

  torch::manual_seed(args.seed);
  seg::crfgrad::Model model(config, train->info().num_classes());
  SEG_RETURN_IF_ERROR(seg::LoadPretrained(config.model.weights, &model->fcn()));
  seg::crfgrad::CrfGradTask task(
      config, model,
      {val, report, config.report_split, config.report_pictures, device});
  return seg::Trainer(
             args,
             {config.train, config.data, seg::ToYaml(nlohmann::json(config))},
             &task, train)
      .Run();
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kTrain, "crfgrad", Train);
}
