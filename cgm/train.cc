// Trains a CNN or a conditional generative model: see README.md.
#include <ATen/Utils.h>

#include <string>

#include "absl/status/status.h"
#include "cgm/config.h"
#include "cgm/model.h"
#include "cgm/task.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/label_census.h"
#include "common/datasets/open.h"
#include "common/training/resume.h"
#include "common/training/trainer.h"
#include "torch/utils.h"

namespace {

absl::Status Train(seg::MainArgs args) {
  seg::cgm::Config config;
  SEG_RETURN_IF_ERROR(seg::LoadTrainConfig(&args, &config));
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       seg::ResolveDevice(args.device, config.CpuOnly()));
  args.device = device.str();
  const auto open = [&](const std::string& split) {
    return seg::OpenLabelledDataset(config.data, args.data_root, split);
  };
  SEG_ASSIGN_OR_RETURN(const auto train, open("train"));
  SEG_ASSIGN_OR_RETURN(const auto val, open("val"));
  SEG_ASSIGN_OR_RETURN(const auto report, open(config.report_split));
  SEG_RETURN_IF_ERROR(seg::WarnOfTrainingLabels(*train));
  absl::Status status = seg::cgm::CheckClasses(config, train->info());
  if (!status.ok()) return seg::UsageError(status);

  torch::manual_seed(args.seed);
  seg::cgm::Model model(config.model, train->info().num_classes());
  seg::cgm::CgmTask task(
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
  return seg::RunMain(argc, argv, seg::Command::kTrain, "cgm", Train);
}
