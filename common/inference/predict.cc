#include "common/inference/predict.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/datasets/probabilities.h"
#include "common/inference/inputs.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
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
                         const PredictFn& predict,
                         const PredictOptions& options) {
  Sample sample;
  sample.id = file.name;
  sample.path = file.path;
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(file.path));
  const at::Tensor& image = sample.image;
  if (!options.probabilities.empty()) {
    SEG_ASSIGN_OR_RETURN(
        sample.probabilities,
        ReadProbabilities(options.probabilities, sample.id, info,
                          {image.size(1), image.size(2)}));
  }
  const std::vector<at::Tensor> outputs =
      PredictSample(predict, sample, options.device);
  const at::Tensor scores = outputs[0][0].to(at::kCPU, at::kFloat);
  const at::Tensor mask = ArgMaxLabels(scores);
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
    const at::Tensor positive = scores.clamp_min(0);
    SEG_RETURN_IF_ERROR(
        WriteNpy(prefix + "_probabilities.npy",
                 positive / positive.sum(0, true).clamp_min(1e-12)));
  }
  if (options.after_image) return options.after_image(prefix, sample, outputs);
  return absl::OkStatus();
}

// A network's objection (a picture too small, no memory for it) is an error of
// the picture. The message names the file.
absl::Status Guarded(const InputFile& file,
                     const std::function<absl::Status()>& body) {
  absl::Status status;
  try {
    status = body();
  } catch (const c10::Error& e) {
    status = absl::InternalError(e.what_without_backtrace());
  } catch (const std::exception& e) {
    status = absl::InternalError(e.what());
  }
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

absl::Status RunPredict(const MainArgs& args, const DatasetInfo& info,
                        const PredictFn& predict,
                        const PredictOptions& options) {
  const std::string out = args.out.empty() ? "predictions" : args.out;
  SEG_ASSIGN_OR_RETURN(const std::vector<InputFile> files,
                       ListInputs(args.input, out));
  SEG_RETURN_IF_ERROR(CheckOutputs(files, out, Endings(args, options)));
  std::error_code error;
  fs::create_directories(out, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(out, ": cannot be made: ", error.message()));
  }
  const absl::StatusOr<FolderLock> lock = FolderLock::Take(out, "--out");
  if (absl::IsAlreadyExists(lock.status())) return UsageError(lock.status());
  SEG_RETURN_IF_ERROR(lock.status());
  const PredictFn tiled = [&](const Batch& batch) {
    return PredictTiled(predict, batch, options.tiling);
  };
  std::vector<std::string> failed;
  for (const InputFile& file : files) {
    const std::string prefix = (fs::path(out) / file.name).string();
    const absl::Status status = Guarded(file, [&] {
      return PredictFile(file, prefix, args, info, tiled, options);
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
