// Trains a coarse parser, its refinement, or both: see README.md.
#include <ATen/Utils.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/label_census.h"
#include "common/datasets/open.h"
#include "common/training/resume.h"
#include "common/training/trainer.h"
#include "spn/config.h"
#include "spn/model.h"
#include "spn/task.h"
#include "torch/utils.h"

namespace {

absl::Status Train(seg::MainArgs args) {
  seg::spn::Config config;
  SEG_RETURN_IF_ERROR(seg::LoadTrainConfig(&args, &config));
  if (config.refine.type != seg::spn::RefineType::kNone &&
      config.coarse.source == seg::spn::CoarseSource::kParser &&
      config.groups.coarse_lr == 0 && args.init_from.empty() && !args.resume) {
    return seg::UsageError(absl::InvalidArgumentError(
        "groups.coarse_lr: 0 keeps the parser as it starts; give a trained one "
        "by --init_from=RUN"));
  }
  const bool refines = config.refine.type == seg::spn::RefineType::kSpn ||
                       config.refine.type == seg::spn::RefineType::kConvolution;
  if (!refines && (config.coarse.source != seg::spn::CoarseSource::kParser ||
                   config.groups.coarse_lr == 0)) {
    return seg::UsageError(absl::InvalidArgumentError(absl::StrCat(
        "refine.type: ", seg::EnumName(config.refine.type),
        " has nothing to train without a parser that learns; set "
        "coarse.source=parser and groups.coarse_lr above 0, or refine.type=spn "
        "or convolution")));
  }
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
