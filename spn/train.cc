// Trains a coarse parser, its refinement, or both: see README.md.
#include <ATen/Utils.h>

#include <string>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/label_census.h"
#include "common/datasets/open.h"
#include "common/training/run_folder.h"
#include "common/training/trainer.h"
#include "spn/config.h"
#include "spn/model.h"
#include "spn/task.h"
#include "torch/utils.h"

namespace {

absl::Status Train(seg::MainArgs args) {
  SEG_RETURN_IF_ERROR(seg::ResolveResume(&args));
  seg::spn::Config config;
  SEG_RETURN_IF_ERROR(seg::LoadConfig(args, &config));
  if (config.refine.type != "none" && config.coarse.source == "parser" &&
      config.groups.coarse_lr == 0 && args.init_from.empty() && !args.resume) {
    return seg::UsageError(absl::InvalidArgumentError(
        "groups.coarse_lr: 0 keeps the parser as it starts; give a trained one "
        "by --init_from=RUN"));
  }
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       seg::ResolveDevice(args.device));
  const auto open = [&](const std::string& split) {
    return seg::OpenDataset(config.data, args.data_root, split);
  };
  SEG_ASSIGN_OR_RETURN(const auto train, open("train"));
  SEG_ASSIGN_OR_RETURN(const auto val, open("val"));
  SEG_ASSIGN_OR_RETURN(const auto report, open(config.report_split));
  SEG_RETURN_IF_ERROR(seg::WarnOfTrainingLabels(*train));

  torch::manual_seed(args.seed);
  seg::spn::Model model(config, train->info());
  SEG_RETURN_IF_ERROR(model->LoadPretrainedBackbones());
  seg::spn::SpnTask task(
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
  return seg::RunMain(argc, argv, seg::Command::kTrain, "spn", Train);
}
