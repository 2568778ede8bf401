#include "common/training/progress_pictures.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "ATen/core/Tensor.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/image.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

std::string Folder(const std::string& run) { return run + "/pictures"; }

}  // namespace

absl::Status SaveProgressPictures(const std::string& run, int64_t step,
                                  const std::vector<ReportPicture>& pictures) {
  if (pictures.empty()) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(Folder(run), error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(Folder(run), ": cannot be made: ", error.message()));
  }
  for (size_t i = 0; i < pictures.size(); ++i) {
    std::vector<at::Tensor> panels;
    for (const ReportPanel& panel : pictures[i].panels) {
      panels.push_back(panel.rgb);
    }
    SEG_RETURN_IF_ERROR(
        WriteImage(absl::StrCat(Folder(run), "/step-", step, "_", i, ".png"),
                   SideBySide(panels)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReportPicture>> ReadProgressPictures(
    const std::string& run, int64_t moments, int64_t last_step) {
  std::map<std::pair<int64_t, int64_t>, std::string> files;
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(Folder(run), error)) {
    long long step = 0, index = 0;
    if (std::sscanf(entry.path().filename().c_str(), "step-%lld_%lld.png",
                    &step, &index) != 2 ||
        step > last_step) {
      continue;
    }
    files[{step, index}] = entry.path().string();
  }
  for (const auto& [key, path] : files) {
    if (steps.empty() || steps.back() != key.first) steps.push_back(key.first);
  }
  std::vector<ReportPicture> pictures;
  const int64_t all = static_cast<int64_t>(steps.size());
  const int64_t chosen = std::min(moments, all);
  for (int64_t i = 0; i < chosen; ++i) {
    const int64_t step = steps[static_cast<size_t>(
        chosen == 1 ? 0 : i * (all - 1) / (chosen - 1))];
    for (auto file = files.lower_bound({step, 0});
         file != files.end() && file->first.first == step; ++file) {
      SEG_ASSIGN_OR_RETURN(at::Tensor image, ReadImage(file->second));
      pictures.push_back({"During training",
                          absl::StrCat("after ", step, " updates"),
                          "",
                          {{"", std::move(image)}}});
    }
  }
  return pictures;
}

}  // namespace seg
