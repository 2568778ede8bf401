#include "common/app/predict.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/app/inputs.h"
#include "common/app/out_folder.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/base/without_exceptions.h"
#include "common/datasets/probabilities.h"
#include "common/evaluation/picture_book.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/metrics/arg_max.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Endings(const MainArgs& args,
                                 const PredictOptions& options) {
  std::vector<std::string> endings = {".png"};
  if (args.overlay) endings.push_back("_overlay.png");
  if (args.probabilities) endings.push_back("_probabilities.npy");
  endings.insert(endings.end(), options.endings.begin(), options.endings.end());
  return endings;
}

// Reads one picture and writes all that belongs to it.
absl::Status PredictFile(const InputFile& file, const std::string& prefix,
                         const MainArgs& args, const DatasetInfo& info,
                         Predictor& predictor, const PredictOptions& options) {
  Sample photograph;
  photograph.id = file.name;
  photograph.path = file.path;
  SEG_ASSIGN_OR_RETURN(photograph.image, ReadImage(file.path));
  const at::Tensor& image = photograph.image;
  const InputPipeline& pipeline = options.pipeline;
  SEG_ASSIGN_OR_RETURN(Sample sample, pipeline.Align(photograph));
  if (!options.probabilities.empty()) {
    SEG_ASSIGN_OR_RETURN(
        sample.probabilities,
        ReadProbabilities(options.probabilities, sample.id, info,
                          {sample.image.size(1), sample.image.size(2)}));
  }
  SEG_ASSIGN_OR_RETURN(sample, pipeline.Resize(sample));
  const Prediction prediction =
      Run(predictor, MakeBatch(sample, options.device), file.path);
  // Of classes, not of labels: smooth outlines at the photograph's size.
  at::Tensor probabilities;
  if (!prediction.probabilities.empty()) {
    probabilities =
        pipeline.Undo(photograph, prediction.probabilities[0])[0].to(
            at::kCPU, at::kFloat);
  }
  const at::Tensor mask =
      probabilities.defined()
          ? ArgMaxLabels(probabilities)
          : pipeline.UndoLabels(photograph, prediction.labels[0])[0];
  std::error_code error;
  fs::create_directories(fs::path(prefix).parent_path(), error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(fs::path(prefix).parent_path().string(),
                     ": cannot be made: ", error.message()));
  }
  SEG_RETURN_IF_ERROR(WriteMask(prefix + ".png", mask, info.palette));
  if (args.overlay) {
    SEG_RETURN_IF_ERROR(
        WriteImage(prefix + "_overlay.png",
                   BlendMask(image, mask, info.palette, OverlayFor(info))));
  }
  if (args.probabilities) {
    if (!probabilities.defined()) {
      return UsageError(absl::InvalidArgumentError(
          "--probabilities: this system gives labels alone"));
    }
    const at::Tensor positive = probabilities.clamp_min(0);
    SEG_RETURN_IF_ERROR(
        WriteNpy(prefix + "_probabilities.npy",
                 positive / positive.sum(0, true).clamp_min(1e-12)));
  }
  if (options.after_image) return options.after_image(prefix, sample);
  return absl::OkStatus();
}

// A network's objection (a picture too small, no memory for it) is an error of
// the picture. The message names the file.
absl::Status Guarded(const InputFile& file,
                     const std::function<absl::Status()>& body) {
  const absl::Status status = WithoutExceptions(body);
  if (status.ok() || absl::StrContains(status.message(), file.path)) {
    return status;
  }
  return WithPath(status, file.path);
}

absl::Status FailedInputs(const std::vector<std::string>& failed,
                          size_t inputs) {
  constexpr size_t kListed = 50;
  const auto end = failed.begin() + std::min(kListed, failed.size());
  return absl::UnknownError(absl::StrCat(
      failed.size(), " of ", inputs, " images failed, for the reasons above: ",
      absl::StrJoin(failed.begin(), end, ", "),
      failed.size() > kListed
          ? absl::StrCat(" and ", failed.size() - kListed, " more")
          : ""));
}

}  // namespace

absl::StatusOr<InputPipeline> PipelineOf(const MainArgs& args,
                                         const DataConfig& data) {
  std::error_code error;
  const fs::path input(ExpandHome(args.input));
  const fs::path folder =
      fs::is_directory(input, error) ? input : input.parent_path();
  return InputPipeline::Create(data, (folder / "landmarks.txt").string());
}

absl::Status RunPredict(const MainArgs& args, const DatasetInfo& info,
                        Predictor& predictor, const PredictOptions& options) {
  const std::string& out = args.out;
  SEG_ASSIGN_OR_RETURN(const std::vector<InputFile> files,
                       ListInputs(args.input, out));
  SEG_RETURN_IF_ERROR(CheckOutputs(files, out, Endings(args, options)));
  SEG_ASSIGN_OR_RETURN(const FolderLock lock, ClaimOut(out));
  std::vector<std::string> failed;
  for (const InputFile& file : files) {
    const std::string prefix = (fs::path(out) / file.name).string();
    const absl::Status status = Guarded(file, [&] {
      return PredictFile(file, prefix, args, info, predictor, options);
    });
    if (status.ok()) {
      std::printf("%s -> %s.png\n", file.path.c_str(), prefix.c_str());
      continue;
    }
    if (files.size() == 1 || absl::IsResourceExhausted(status) ||
        absl::IsCancelled(status)) {
      return status;
    }
    LogWarning(std::string(status.message()));
    failed.push_back(file.path);
  }
  return failed.empty() ? absl::OkStatus() : FailedInputs(failed, files.size());
}

}  // namespace seg
