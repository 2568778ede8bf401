#include "common/inference/predict.h"

#include <ATen/ATen.h>
#include <glob.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/datasets/probabilities.h"
#include "common/io/folder_lock.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

bool IsImageName(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListInputs(const std::string& input) {
  std::vector<std::string> files;
  std::error_code error;
  if (fs::is_directory(input, error)) {
    for (const auto& entry : fs::directory_iterator(input, error)) {
      if (IsImageName(entry.path())) files.push_back(entry.path().string());
    }
  } else if (fs::exists(input, error)) {
    files.push_back(input);
  } else {
    glob_t found = {};
    if (glob(input.c_str(), 0, nullptr, &found) == 0) {
      files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    globfree(&found);
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(
        input.empty() ? "--input" : input,
        ": no image there; --input takes an image, a folder with .jpg or .png "
        "files, or a glob in quotes"));
  }
  return files;
}

absl::Status RunPredict(const MainArgs& args, const DatasetInfo& info,
                        const PredictFn& predict,
                        const PredictOptions& options) {
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                       ListInputs(args.input));
  const fs::path out = args.out.empty() ? "predictions" : args.out;
  std::error_code error;
  fs::create_directories(out, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(out.string(), ": cannot be made: ", error.message()));
  }
  const absl::StatusOr<FolderLock> lock =
      FolderLock::Take(out.string(), "--out");
  if (absl::IsAlreadyExists(lock.status())) return UsageError(lock.status());
  SEG_RETURN_IF_ERROR(lock.status());
  const PredictFn tiled = [&](const Batch& batch) {
    return PredictTiled(predict, batch, options.tiling);
  };
  std::set<std::string> written;
  for (const std::string& file : files) {
    const std::string prefix = (out / fs::path(file).stem()).string();
    if (!written.insert(prefix).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": another input has the same name and would be written to ",
          prefix, ".png too; predict them into two folders"));
    }
    if (fs::equivalent(file, prefix + ".png", error)) {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": would be overwritten by its labels; name another --out"));
    }
    Sample sample;
    sample.id = fs::path(file).stem().string();
    sample.path = file;
    SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(file));
    const at::Tensor& image = sample.image;
    if (!options.probabilities.empty()) {
      SEG_ASSIGN_OR_RETURN(
          sample.probabilities,
          ReadProbabilities(options.probabilities, sample.id, info,
                            {image.size(1), image.size(2)}));
    }
    const std::vector<at::Tensor> outputs =
        PredictSample(tiled, sample, options.device);
    const at::Tensor scores = outputs[0][0].to(at::kCPU, at::kFloat);
    const at::Tensor mask = scores.argmax(0).to(at::kByte);
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
    if (options.after_image) {
      SEG_RETURN_IF_ERROR(options.after_image(prefix, sample, outputs));
    }
    std::printf("%s -> %s.png\n", file.c_str(), prefix.c_str());
  }
  return absl::OkStatus();
}

}  // namespace seg
