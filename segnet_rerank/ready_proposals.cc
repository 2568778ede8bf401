#include "segnet_rerank/ready_proposals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/image.h"

namespace seg {
namespace segnet_rerank {

namespace fs = std::filesystem;

absl::StatusOr<Proposals> ReadReadyProposals(const std::string& folder,
                                             const std::string& id,
                                             int64_t height, int64_t width,
                                             int64_t classes) {
  const std::string own = folder + "/" + id;
  std::error_code error;
  std::vector<std::string> files;
  for (fs::directory_iterator it(own, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".png") files.push_back(it->path().string());
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat(
        own, ": expected a folder of proposals (label PNGs) for the image ", id,
        ": ", error.message()));
  }
  if (files.empty()) {
    return absl::NotFoundError(
        absl::StrCat(own, ": holds no proposal (*.png) for the image ", id));
  }
  std::sort(files.begin(), files.end());
  std::vector<at::Tensor> labels;
  for (const std::string& file : files) {
    SEG_ASSIGN_OR_RETURN(const at::Tensor map, ReadMask(file));
    if (map.size(0) != height || map.size(1) != width) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": is ", map.size(1), " x ", map.size(0),
                       ", the image ", width, " x ", height));
    }
    const int64_t most = map.max().item<int64_t>();
    if (most >= classes) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": holds the class ", most,
                       ", but the network knows 0 .. ", classes - 1));
    }
    labels.push_back(map);
  }
  return Proposals{at::stack(labels),
                   at::zeros({static_cast<int64_t>(labels.size())})};
}

}  // namespace segnet_rerank
}  // namespace seg
