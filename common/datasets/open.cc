#include "common/datasets/open.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/datasets/mapped.h"
#include "common/datasets/pack.h"
#include "common/datasets/probabilities.h"
#include "common/datasets/synthetic/faces.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/datasets/views.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kSynthetic[] = "synthetic:";

// Every split of a synthetic set owns this many indices.
constexpr int64_t kSplitStride = int64_t{1} << 32;

absl::StatusOr<std::shared_ptr<const Dataset>> OpenSynthetic(
    const DataConfig& config, const std::string& split) {
  const std::string name = config.pack.substr(sizeof(kSynthetic) - 1);
  const bool faces = name == "faces";
  if (name != "scenes" && !faces) {
    return absl::NotFoundError(
        absl::StrCat("data.pack: no synthetic set '", name,
                     "'; there are synthetic:scenes, synthetic:faces"));
  }
  const SyntheticConfig& s = config.synthetic;
  const int64_t smallest = faces ? 32 : 16;
  for (const int64_t side : {s.height, s.width}) {
    if (side < smallest || side > 4096) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data.synthetic.height, data.synthetic.width: ", s.height, ", ",
          s.width, ", expected ", smallest, " .. 4096"));
    }
  }
  int64_t first = 0;
  int64_t size = 0;
  if (split == "train") {
    size = s.train;
  } else if (split == "val") {
    first = kSplitStride;
    size = s.val;
  } else if (split == "test") {
    first = 2 * kSplitStride;
    size = s.test;
  } else {
    return absl::NotFoundError(
        absl::StrCat(config.pack, ": no split '", split,
                     "'; synthetic sets have train, val, test"));
  }
  if (size < 0 || size > 1000000000) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.synthetic.", split, ": ", size, ", expected 0 .. 1000000000"));
  }
  if (faces) {
    FacesOptions options;
    options.height = s.height;
    options.width = s.width;
    options.seed = static_cast<uint64_t>(s.seed);
    return MakeFacesDataset(options, first, size);
  }
  ScenesOptions options;
  options.height = s.height;
  options.width = s.width;
  options.seed = static_cast<uint64_t>(s.seed);
  return MakeScenesDataset(options, first, size);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<std::string> ListPacks(const std::string& data_root) {
  std::vector<std::string> packs;
  std::error_code error;
  for (fs::directory_iterator it(data_root, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (fs::exists(it->path() / "dataset.yaml", ignored)) {
      packs.push_back(it->path().filename().string());
    }
  }
  std::sort(packs.begin(), packs.end());
  return packs;
}

}  // namespace

absl::StatusOr<std::string> FindPack(const std::string& pack,
                                     const std::string& data_root) {
  if (pack.empty()) {
    return absl::InvalidArgumentError(
        "data.pack: expected the name of a pack, a path, or "
        "synthetic:scenes, got nothing");
  }
  const bool is_path = absl::StrContains(pack, "/") || pack == ".";
  if (is_path && IsFolder(pack)) return pack;
  if (!data_root.empty() && pack[0] != '/' &&
      IsFolder(fs::path(data_root) / pack)) {
    return (fs::path(data_root) / pack).string();
  }
  if (is_path) {
    return absl::NotFoundError(
        absl::StrCat("data.pack: ", pack, ": no such folder"));
  }
  if (data_root.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "data.pack: '", pack,
        "' is looked for in the data root, which is not set; give --data_root "
        "or SEG_DATA_ROOT, or a path (./",
        pack, ")"));
  }
  if (!IsFolder(data_root)) {
    return absl::NotFoundError(
        absl::StrCat(data_root,
                     ": no such folder; --data_root or SEG_DATA_ROOT must name "
                     "the folder of the packs"));
  }
  const std::vector<std::string> packs = ListPacks(data_root);
  return absl::NotFoundError(absl::StrCat(
      "data.pack: no '", pack, "' in ", data_root, "; there is ",
      packs.empty() ? "no pack at all" : absl::StrJoin(packs, ", ")));
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset(
    const DataConfig& config, const std::string& data_root,
    const std::string& split) {
  SEG_RETURN_IF_ERROR(ValidateResize(config));
  if (config.cache_mb < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.cache_mb: ", config.cache_mb, ", expected >= 0"));
  }
  std::shared_ptr<const Dataset> dataset;
  if (absl::StartsWith(config.pack, kSynthetic)) {
    SEG_ASSIGN_OR_RETURN(dataset, OpenSynthetic(config, split));
  } else {
    SEG_ASSIGN_OR_RETURN(const std::string folder,
                         FindPack(config.pack, data_root));
    SEG_ASSIGN_OR_RETURN(dataset, OpenPack(folder, split));
  }
  SEG_ASSIGN_OR_RETURN(dataset, MappedDataset(dataset, config));
  if (!config.probabilities.empty()) {
    dataset = WithProbabilities(dataset, config.probabilities);
  }
  dataset = ResizedDataset(dataset, config);
  if (config.cache_mb > 0) {
    dataset = CachedDataset(dataset, config.cache_mb << 20);
  }
  return dataset;
}

}  // namespace seg
