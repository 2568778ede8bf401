// The predict command of every paper: images in, label maps out.
#ifndef COMMON_APP_PREDICT_H_
#define COMMON_APP_PREDICT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/app/restore.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/datasets/input_pipeline.h"
#include "common/evaluation/predictor.h"

namespace seg {

struct PredictOptions {
  c10::Device device = c10::kCPU;
  InputPipeline pipeline;  // of the run: what the network sees of a photograph
  // A folder with the class probabilities of each input, by its name
  // (common/datasets/probabilities.h). Empty: none.
  std::string probabilities;
  // Called after each image with its output prefix ("OUT/NAME") and the sample
  // as the network saw it, for what only one paper writes: files PREFIX + one
  // of `endings`. May be empty.
  std::function<absl::Status(const std::string& prefix, const Sample& sample)>
      after_image;
  std::vector<std::string> endings;  // "_affinity.png"
};

// For each input NAME.ext (inputs.h: NAME keeps the folders below --input)
// writes into --out (default "predictions"):
//   NAME.png               palette PNG of the labels of the first output, at
//   the
//                          photograph's own size
//   NAME_overlay.png       with --overlay: labels drawn over the image
//   NAME_probabilities.npy with --probabilities: float32 [L,H,W], >= 0, sum 1
// and one line a file to stdout. A folder that another program predicts into is
// refused (usage). Two inputs of one name are an error, and so is an input that
// would be replaced: both are found before the first picture. info: the classes
// of the labels.
//
// A picture that cannot be read, predicted or written is named in a warning,
// and the others are done; the error at the end lists them. Only a full disk
// ends it at once.
absl::Status RunPredict(const MainArgs& args, const DatasetInfo& info,
                        Predictor& predictor, const PredictOptions& options);

// What photographs go through by the run's `data` section. Landmarks, where
// data.align wants them, stand in landmarks.txt in the folder of --input, by
// the names of the pictures (inputs.h).
absl::StatusOr<InputPipeline> PipelineOf(const MainArgs& args,
                                         const DataConfig& data);

template <class P>
absl::Status RunPaperPredict(const MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored<P> restored,
                       Restore<P>(args, Command::kPredict));
  PredictOptions options;
  options.device = restored.run.device;
  SEG_ASSIGN_OR_RETURN(options.pipeline,
                       PipelineOf(args, restored.config.data));
  SEG_RETURN_IF_ERROR(UsageError(P::Predicting(restored, &options)));
  return RunPredict(args, restored.outputs, *restored.predictor, options);
}

template <class P>
int PredictMain(int argc, char** argv) {
  return RunMain(argc, argv, Command::kPredict, P::kName, RunPaperPredict<P>);
}

}  // namespace seg

#endif  // COMMON_APP_PREDICT_H_
