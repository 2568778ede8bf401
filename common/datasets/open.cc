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
#include "common/datasets/align.h"
#include "common/datasets/cub.h"
#include "common/datasets/helen.h"
#include "common/datasets/lfw_parts.h"
#include "common/datasets/mapped.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/probabilities.h"
#include "common/datasets/synthetic/ambiguous.h"
#include "common/datasets/synthetic/digits.h"
#include "common/datasets/synthetic/faces.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/datasets/synthetic/strands.h"
#include "common/datasets/views.h"
#include "common/datasets/voc.h"
#include "common/io/file.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kSynthetic[] = "synthetic:";

// Every split of a synthetic set owns this many indices.
constexpr int64_t kSplitStride = int64_t{1} << 32;

template <typename Options>
Options WithSize(const SyntheticConfig& config) {
  Options options;
  options.height = config.height;
  options.width = config.width;
  options.seed = static_cast<uint64_t>(config.seed);
  return options;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenSynthetic(
    const DataConfig& config, const std::string& split) {
  const std::string name = config.pack.substr(sizeof(kSynthetic) - 1);
  if (name != "scenes" && name != "faces" && name != "ambiguous" &&
      name != "digits" && name != "strands") {
    return absl::NotFoundError(absl::StrCat(
        "data.pack: no synthetic set '", name,
        "'; there are synthetic:scenes, synthetic:faces, "
        "synthetic:ambiguous, synthetic:digits, synthetic:strands"));
  }
  const SyntheticConfig& s = config.synthetic;
  const int64_t smallest = name == "scenes" ? 16 : 32;
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
    return NoSuchSplitError(
        absl::StrCat(config.pack, ": no split '", split,
                     "'; synthetic sets have train, val, test"));
  }
  if (size < 0 || size > 1000000000) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.synthetic.", split, ": ", size, ", expected 0 .. 1000000000"));
  }
  if (name == "faces") {
    return MakeFacesDataset(WithSize<FacesOptions>(s), first, size);
  }
  if (name == "ambiguous") {
    return MakeAmbiguousDataset(WithSize<AmbiguousOptions>(s), first, size);
  }
  if (name == "digits") {
    if (s.hidden_quadrants < 1 || s.hidden_quadrants > 3) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.synthetic.hidden_quadrants: ", s.hidden_quadrants,
                       ", expected 1 .. 3"));
    }
    DigitsOptions options = WithSize<DigitsOptions>(s);
    options.hidden_quadrants = s.hidden_quadrants;
    return MakeDigitsDataset(options, first, size);
  }
  if (name == "strands") {
    return MakeStrandsDataset(WithSize<StrandsOptions>(s), first, size);
  }
  return MakeScenesDataset(WithSize<ScenesOptions>(s), first, size);
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

bool IsPath(const std::string& name) {
  return absl::StrContains(name, "/") || name == ".";
}

// The folder that `given` means ("~/" is the user's home), or nothing where
// there is none.
std::string FindFolder(const std::string& given, const std::string& data_root) {
  const std::string name = ExpandHome(given);
  if (name.empty()) return "";
  if (IsPath(name) && IsFolder(name)) return name;
  if (!data_root.empty() && name[0] != '/' &&
      IsFolder(fs::path(data_root) / name)) {
    return (fs::path(data_root) / name).string();
  }
  return "";
}

// FindFolder for data in an official format, or why there is none.
absl::StatusOr<std::string> FindOfficial(const std::string& pack,
                                         const std::string& name,
                                         const std::string& data_root) {
  const std::string folder = FindFolder(name, data_root);
  if (!folder.empty()) return folder;
  return absl::NotFoundError(absl::StrCat(
      "data.pack: ", pack, ": no folder '", name, "'",
      IsPath(name) ? ""
      : data_root.empty()
          ? "; the data root is not set (--data_root, SEG_DATA_ROOT), a path "
            "needs a slash"
          : absl::StrCat(" in ", data_root, "; a path needs a slash")));
}

// A set with its folder; no folder for what is generated.
struct Opened {
  std::shared_ptr<const Dataset> dataset;
  std::string folder;
};

absl::StatusOr<Opened> OpenVoc(const std::string& pack, const std::string& name,
                               const std::string& data_root,
                               const std::string& split) {
  // "VOC+SBD", unless a folder really has that name.
  const size_t plus = name.find('+');
  std::string voc = name;
  std::string sbd;
  if (plus != std::string::npos && FindFolder(name, data_root).empty()) {
    voc = name.substr(0, plus);
    SEG_ASSIGN_OR_RETURN(sbd,
                         FindOfficial(pack, name.substr(plus + 1), data_root));
  }
  Opened opened;
  SEG_ASSIGN_OR_RETURN(opened.folder, FindOfficial(pack, voc, data_root));
  SEG_ASSIGN_OR_RETURN(opened.dataset, OpenVoc2012(opened.folder, sbd, split));
  return opened;
}

absl::StatusOr<Opened> OpenAny(const DataConfig& config,
                               const std::string& data_root,
                               const std::string& split) {
  Opened opened;
  const std::string& pack = config.pack;
  if (absl::StartsWith(pack, kSynthetic)) {
    SEG_ASSIGN_OR_RETURN(opened.dataset, OpenSynthetic(config, split));
    return opened;
  }
  const size_t colon = pack.find(':');
  const std::string format =
      colon == std::string::npos ? "" : pack.substr(0, colon);
  const std::string name = pack.substr(format.empty() ? 0 : colon + 1);
  if (format == "voc2012") return OpenVoc(pack, name, data_root, split);
  const bool official = format == "sbd" || format == "helen" ||
                        format == "cub2010" || format == "cub2011" ||
                        format == "lfw_parts" || format == "lfw4";
  if (official) {
    SEG_ASSIGN_OR_RETURN(opened.folder, FindOfficial(pack, name, data_root));
    SEG_ASSIGN_OR_RETURN(
        opened.dataset,
        format == "sbd"         ? OpenSbd(opened.folder, split)
        : format == "helen"     ? OpenHelen(opened.folder, split)
        : format == "lfw_parts" ? OpenLfwParts(opened.folder, split)
        : format == "lfw4"      ? OpenLfw4(opened.folder, split, config.fold)
        : format == "cub2010"   ? OpenCub2010(opened.folder, split, config.fold)
                              : OpenCub2011(opened.folder, split, config.fold));
    return opened;
  }
  SEG_ASSIGN_OR_RETURN(opened.folder, FindPack(pack, data_root));
  SEG_ASSIGN_OR_RETURN(opened.dataset, OpenPack(opened.folder, split));
  return opened;
}

}  // namespace

absl::StatusOr<std::string> FindPack(const std::string& pack,
                                     const std::string& data_root) {
  if (pack.empty()) {
    return absl::InvalidArgumentError(
        "data.pack: expected the name of a pack, a path, or "
        "synthetic:scenes, got nothing");
  }
  const std::string folder = FindFolder(pack, data_root);
  if (!folder.empty()) return folder;
  if (IsPath(pack)) {
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
  if (config.align < 0 || config.align > 16384) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.align: ", config.align, ", expected 0 .. 16384"));
  }
  SEG_ASSIGN_OR_RETURN(const Opened opened, OpenAny(config, data_root, split));
  std::shared_ptr<const Dataset> dataset = opened.dataset;
  if (config.align > 0) {
    if (opened.folder.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data.align: ", config.align, ", but ", config.pack,
          " has no folder with a landmarks.txt; set data.align=0"));
    }
    SEG_ASSIGN_OR_RETURN(
        dataset,
        AlignedDataset(dataset,
                       (fs::path(opened.folder) / "landmarks.txt").string(),
                       config.align));
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

absl::StatusOr<std::shared_ptr<const Dataset>> OpenLabelledDataset(
    const DataConfig& config, const std::string& data_root,
    const std::string& split) {
  SEG_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                       OpenDataset(config, data_root, split));
  const absl::StatusOr<std::string> pack = FindPack(config.pack, data_root);
  const auto file = [&](const std::string& name) {
    return pack.ok() ? (fs::path(*pack) / name).string()
                     : absl::StrCat(config.pack, ", ", name);
  };
  if (dataset->size() == 0) {
    return absl::InvalidArgumentError(
        absl::StartsWith(config.pack, kSynthetic)
            ? absl::StrCat("data.synthetic.", split,
                           ": 0 samples; expected 1 or more")
            : absl::StrCat(file(split + ".txt"),
                           ": the split is empty; write the IDs of its images "
                           "there, an ID a line"));
  }
  if (!dataset->info().has_masks) {
    return absl::InvalidArgumentError(absl::StrCat(
        file("dataset.yaml"),
        ": has_masks is false, and training and evaluation need masks; add "
        "masks/ID.png for each image and take the line out (predict needs no "
        "masks)"));
  }
  return dataset;
}

}  // namespace seg
