#include "common/datasets/open.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/datasets/align.h"
#include "common/datasets/augment.h"
#include "common/datasets/celeba_wild.h"
#include "common/datasets/cityscapes.h"
#include "common/datasets/cub.h"
#include "common/datasets/flowers102.h"
#include "common/datasets/hdf5_dataset.h"
#include "common/datasets/helen.h"
#include "common/datasets/image_folder.h"
#include "common/datasets/lfw_parts.h"
#include "common/datasets/mapped.h"
#include "common/datasets/nyu_depth_v2.h"
#include "common/datasets/open_synthetic.h"
#include "common/datasets/pack.h"
#include "common/datasets/points.h"
#include "common/datasets/probabilities.h"
#include "common/datasets/redivided.h"
#include "common/datasets/taichi.h"
#include "common/datasets/views.h"
#include "common/datasets/voc.h"
#include "common/datasets/weizmann_horse.h"
#include "common/io/file.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kNyu[] = "nyu_depth_v2";
constexpr char kNyuClassTable[] = "common/datasets/nyu_depth_v2_5.yaml";

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

struct Request {
  const DataConfig& config;
  const std::string& data_root;
  const std::string& split;
  std::string name;  // what stands behind the colon of config.pack
};

// The file that `name` means: in the folder, else as a path.
std::string FindBeside(const std::string& folder, const std::string& name) {
  const std::string inside = (fs::path(folder) / name).string();
  const std::string path = ExpandHome(name);
  return !IsFile(inside) && IsPath(path) ? path : inside;
}

// An official format in one folder. Those with several divisions of their data
// take data.fold too.
template <auto Open>
absl::StatusOr<Opened> OpenFormat(const Request& request) {
  Opened opened;
  SEG_ASSIGN_OR_RETURN(
      opened.folder,
      FindOfficial(request.config.pack, request.name, request.data_root));
  if constexpr (std::is_invocable_v<decltype(Open), const std::string&,
                                    const std::string&, int64_t>) {
    SEG_ASSIGN_OR_RETURN(opened.dataset, Open(opened.folder, request.split,
                                              request.config.fold));
  } else {
    SEG_ASSIGN_OR_RETURN(opened.dataset, Open(opened.folder, request.split));
  }
  return opened;
}

// A file, by the rule for folders.
absl::StatusOr<Opened> OpenHdf5(const Request& request) {
  const std::string name = ExpandHome(request.name);
  std::string path = (fs::path(request.data_root) / name).string();
  if (IsPath(name) && IsFile(name)) path = name;
  if (!IsFile(path)) {
    return absl::NotFoundError(absl::StrCat(
        "data.pack: ", request.config.pack, ": no file '", path,
        "'; expected an HDF5 file under the data root, or a path with a slash "
        "in it"));
  }
  Opened opened;
  opened.folder = fs::path(path).parent_path().string();
  SEG_ASSIGN_OR_RETURN(opened.dataset, OpenHdf5Dataset(path, request.split));
  return opened;
}

absl::StatusOr<Opened> OpenNyu(const Request& request) {
  const std::string& table = request.config.class_table;
  Opened opened;
  SEG_ASSIGN_OR_RETURN(
      opened.folder,
      FindOfficial(request.config.pack, request.name, request.data_root));
  SEG_ASSIGN_OR_RETURN(
      opened.dataset,
      OpenNyuDepthV2(opened.folder,
                     table.empty() ? Runfile(kNyuClassTable)
                                   : FindBeside(opened.folder, table),
                     request.split, request.config.fold));
  return opened;
}

absl::StatusOr<Opened> OpenVoc(const Request& request) {
  const std::string& pack = request.config.pack;
  // "VOC+SBD", unless a folder really has that name.
  const size_t plus = request.name.find('+');
  std::string voc = request.name;
  std::string sbd;
  if (plus != std::string::npos &&
      FindFolder(request.name, request.data_root).empty()) {
    voc = request.name.substr(0, plus);
    SEG_ASSIGN_OR_RETURN(sbd, FindOfficial(pack, request.name.substr(plus + 1),
                                           request.data_root));
  }
  Opened opened;
  SEG_ASSIGN_OR_RETURN(opened.folder,
                       FindOfficial(pack, voc, request.data_root));
  SEG_ASSIGN_OR_RETURN(opened.dataset,
                       OpenVoc2012(opened.folder, sbd, request.split));
  return opened;
}

// What config.pack may name besides a pack and a generated set:
// "FORMAT:FOLDER".
struct Source {
  const char* name;
  absl::StatusOr<Opened> (*open)(const Request& request);
};

constexpr Source kSources[] = {
    {"voc2012", OpenVoc},
    {"sbd", OpenFormat<OpenSbd>},
    {"helen", OpenFormat<OpenHelen>},
    {"cub2010", OpenFormat<OpenCub2010>},
    {"cub2011", OpenFormat<OpenCub2011>},
    {"cub_redo", OpenFormat<OpenCubRedo>},
    {"flowers102", OpenFormat<OpenFlowers102>},
    {"flowers102_redo", OpenFormat<OpenFlowers102Redo>},
    {"celeba_wild", OpenFormat<OpenCelebaWild>},
    {"taichi", OpenFormat<OpenTaichi>},
    {"images", OpenFormat<OpenImageFolder>},
    {"hdf5", OpenHdf5},
    {"lfw_parts", OpenFormat<OpenLfwParts>},
    {"lfw4", OpenFormat<OpenLfw4>},
    {"weizmann_horse", OpenFormat<OpenWeizmannHorse>},
    {kNyu, OpenNyu},
    {"cityscapes", OpenFormat<OpenCityscapes>},
};

absl::StatusOr<Opened> OpenAny(const DataConfig& config,
                               const std::string& data_root,
                               const std::string& split) {
  const std::string& pack = config.pack;
  Opened opened;
  if (IsSynthetic(pack)) {
    SEG_ASSIGN_OR_RETURN(opened.dataset, OpenSynthetic(config, split));
    return opened;
  }
  const size_t colon = pack.find(':');
  if (colon != std::string::npos) {
    const Request request = {config, data_root, split, pack.substr(colon + 1)};
    for (const Source& source : kSources) {
      if (pack.substr(0, colon) == source.name) return source.open(request);
    }
  }
  SEG_ASSIGN_OR_RETURN(opened.folder, FindPack(pack, data_root));
  SEG_ASSIGN_OR_RETURN(opened.dataset, OpenPack(opened.folder, split));
  return opened;
}

// OpenAny, or of a data set whose images are divided anew the part.
absl::StatusOr<Opened> OpenPart(const DataConfig& config,
                                const std::string& data_root,
                                const std::string& split) {
  std::vector<std::string> splits = {"train", "val"};
  if (config.split_all) splits.push_back("test");
  const auto found = std::find(splits.begin(), splits.end(), split);
  if (config.split_seed < 0 || found == splits.end()) {
    return OpenAny(config, data_root, split);
  }
  Opened opened;
  std::vector<std::shared_ptr<const Dataset>> sets;
  for (const std::string& name : splits) {
    SEG_ASSIGN_OR_RETURN(opened, OpenAny(config, data_root, name));
    sets.push_back(opened.dataset);
  }
  SEG_ASSIGN_OR_RETURN(
      opened.dataset,
      RedividedDataset(std::move(sets), found - splits.begin(),
                       static_cast<uint64_t>(config.split_seed)));
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
  if (!config.class_table.empty() &&
      !absl::StartsWith(config.pack, absl::StrCat(kNyu, ":"))) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.class_table: ", config.class_table, ", but ",
                     config.pack, " takes none, only ", kNyu,
                     " does; leave it empty (data.map merges "
                     "classes of any data)"));
  }
  SEG_ASSIGN_OR_RETURN(const Opened opened, OpenPart(config, data_root, split));
  std::shared_ptr<const Dataset> dataset = opened.dataset;
  if (opened.folder.empty() && config.align > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.align: ", config.align, ", but ", config.pack,
                     " has no folder with a landmarks.txt; set data.align=0"));
  }
  if (opened.folder.empty() && !config.landmarks.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.landmarks: ", config.landmarks, ", but ", config.pack,
        " has no folder, and its samples no lines there; leave it empty"));
  }
  const std::string landmarks =
      FindBeside(opened.folder,
                 config.landmarks.empty() ? "landmarks.txt" : config.landmarks);
  if (!config.landmarks.empty()) {
    SEG_ASSIGN_OR_RETURN(dataset, WithPoints(dataset, landmarks));
  }
  if (config.align > 0) {
    SEG_ASSIGN_OR_RETURN(dataset,
                         AlignedDataset(dataset, landmarks, config.align));
  }
  SEG_ASSIGN_OR_RETURN(dataset,
                       MappedDataset(dataset, config, config.augment.flip));
  if (!config.probabilities.empty()) {
    dataset = WithProbabilities(dataset, config.probabilities);
  }
  dataset = ResizedDataset(dataset, config);
  if (config.augment_once) {
    SEG_RETURN_IF_ERROR(ValidateAugmentOptions(config.augment));
    dataset = AugmentedDataset(dataset, config.augment);
  }
  if (config.cache_mb > 0) {
    dataset = CachedDataset(dataset, config.cache_mb << 20);
  }
  return dataset;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenFilledDataset(
    const DataConfig& config, const std::string& data_root,
    const std::string& split, bool needs_masks) {
  SEG_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                       OpenDataset(config, data_root, split));
  const std::string missing = dataset->size() == 0 ? "is empty"
                              : needs_masks && !dataset->info().has_masks
                                  ? "has no masks"
                                  : "";
  if (missing.empty()) return dataset;
  if (IsSynthetic(config.pack) && dataset->size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.synthetic.", split, ": 0 samples; expected 1 or more"));
  }
  const absl::StatusOr<std::string> pack = FindPack(config.pack, data_root);
  if (!pack.ok()) {  // not files that the user wrote
    return absl::InvalidArgumentError(absl::StrCat(
        "data.pack: ", config.pack, ": the split '", split, "' ", missing,
        needs_masks ? ", and training and evaluation need pictures with masks"
                    : ""));
  }
  if (dataset->size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        (fs::path(*pack) / (split + ".txt")).string(),
        ": the split is empty; write the IDs of its images there, an ID a "
        "line"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      (fs::path(*pack) / "dataset.yaml").string(),
      ": has_masks is false, and training and evaluation need masks; add "
      "masks/ID.png for each image and take the line out (predict needs no "
      "masks)"));
}

}  // namespace seg
