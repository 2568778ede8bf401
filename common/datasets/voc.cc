#include "common/datasets/voc.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/image.h"
#include "common/io/mat.h"
#include "common/io/voc_palette.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kTrainAug[] = "train_aug";
constexpr char kSbdVariable[] = "GTcls.Segmentation";

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The first of `folder` and the folders below it that has `child`.
absl::StatusOr<std::string> FindRoot(const std::string& folder,
                                     const std::vector<std::string>& below,
                                     const std::string& child,
                                     const char* what) {
  for (const std::string& b : below) {
    std::string root = (fs::path(folder) / b).lexically_normal().string();
    if (root.size() > 1 && root.back() == '/') root.pop_back();
    if (IsFolder((fs::path(root) / child).string())) return root;
  }
  return absl::NotFoundError(absl::StrCat(
      folder, ": expected ", what, ", found no folder ", child, " in it"));
}

// Where pictures, masks and lists lie. Either root may be empty, not both.
struct Places {
  std::string voc;
  std::string sbd;

  std::string List(const std::string& split) const {
    return absl::StrCat(ListFolder(), "/", split, ".txt");
  }
  std::string ListFolder() const {
    return voc.empty() ? sbd : voc + "/ImageSets/Segmentation";
  }
  // The first that exists, else the one that should.
  std::string Image(const std::string& id) const {
    return Either(voc.empty() ? "" : voc + "/JPEGImages/" + id + ".jpg",
                  sbd.empty() ? "" : sbd + "/img/" + id + ".jpg");
  }
  std::string Mask(const std::string& id) const {
    return Either(voc.empty() ? "" : voc + "/SegmentationClass/" + id + ".png",
                  sbd.empty() ? "" : sbd + "/cls/" + id + ".mat");
  }

 private:
  static std::string Either(const std::string& first,
                            const std::string& second) {
    if (second.empty()) return first;
    return first.empty() || !IsFile(first) ? second : first;
  }
};

absl::StatusOr<Sample> ReadSample(const Places& places, const DatasetInfo& info,
                                  const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = places.Image(id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  if (!info.has_masks) return sample;
  const std::string path = places.Mask(id);
  if (absl::EndsWith(path, ".mat")) {
    SEG_ASSIGN_OR_RETURN(sample.mask, ReadMatArray(path, kSbdVariable));
    if (sample.mask.scalar_type() != at::kByte || sample.mask.dim() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": ", kSbdVariable, ": ", sample.mask.toString(), " of ",
          sample.mask.dim(), " axes, expected uint8 of 2"));
    }
  } else {
    SEG_ASSIGN_OR_RETURN(sample.mask, ReadMask(path));
  }
  SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
  return sample;
}

// The ids of a list, one a line, each once.
absl::StatusOr<std::vector<std::string>> ReadIdList(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::vector<SplitEntry> entries,
                       ReadSplitFile(path));
  std::set<std::string> seen;
  std::vector<std::string> ids;
  for (const SplitEntry& entry : entries) {
    if (!seen.insert(entry.id).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", entry.line, ": the ID '", entry.id, "' is there twice"));
    }
    ids.push_back(entry.id);
  }
  return ids;
}

// NAMEs of the NAME.txt in `folder`, sorted.
std::vector<std::string> ListTextFiles(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".txt") {
      names.push_back(it->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The usual union of VOC and SBD, without a list of it.
absl::StatusOr<std::vector<std::string>> TrainAug(const Places& places) {
  std::set<std::string> ids;
  const Places sbd = {"", places.sbd};
  for (const std::string& list :
       {places.List("train"), sbd.List("train"), sbd.List("val")}) {
    SEG_ASSIGN_OR_RETURN(const auto part, ReadIdList(list));
    ids.insert(part.begin(), part.end());
  }
  SEG_ASSIGN_OR_RETURN(const auto held_out, ReadIdList(places.List("val")));
  for (const std::string& id : held_out) ids.erase(id);
  return std::vector<std::string>(ids.begin(), ids.end());
}

absl::StatusOr<std::vector<std::string>> ReadIds(const Places& places,
                                                 const std::string& split) {
  const std::string list = places.List(split);
  const bool is_name =
      !split.empty() && split.find_first_of("/\\") == std::string::npos;
  if (is_name && IsFile(list)) return ReadIdList(list);
  if (split == kTrainAug && !places.voc.empty() && !places.sbd.empty()) {
    return TrainAug(places);
  }
  const std::vector<std::string> splits = ListTextFiles(places.ListFolder());
  return NoSuchSplitError(absl::StrCat(
      list, ": no such split; ",
      splits.empty() ? "there is no list at all"
                     : absl::StrCat("there is ", absl::StrJoin(splits, ", ")),
      split == kTrainAug
          ? "; train_aug needs that list or both data.pack=voc2012:VOC+SBD"
          : ""));
}

absl::StatusOr<std::shared_ptr<const Dataset>> Open(const Places& places,
                                                    const std::string& name,
                                                    const std::string& split) {
  SEG_ASSIGN_OR_RETURN(std::vector<std::string> ids, ReadIds(places, split));
  DatasetInfo info = VocInfo(name);
  if (split == "test" && !places.voc.empty()) {
    info.has_masks = std::any_of(
        ids.begin(), ids.end(),
        [&](const std::string& id) { return IsFile(places.Mask(id)); });
  }
  for (const std::string& id : ids) {
    const std::string image = places.Image(id);
    const std::string mask = places.Mask(id);
    for (const std::string& path : {image, mask}) {
      if (IsFile(path) || (path == mask && !info.has_masks)) continue;
      return absl::NotFoundError(absl::StrCat(
          path, ": not found, but the split '", split, "' lists ", id,
          path == mask && places.sbd.empty()
              ? "; masks that VOC lacks come from SBD, "
                "data.pack=voc2012:VOC+SBD"
              : ""));
    }
  }
  return ListedDataset(info, std::move(ids),
                       [places, info](const std::string& id) {
                         return ReadSample(places, info, id);
                       });
}

absl::StatusOr<std::string> SbdRoot(const std::string& folder) {
  return FindRoot(folder, {".", "dataset"}, "cls",
                  "the folder 'dataset' of SBD or the one above");
}

}  // namespace

DatasetInfo VocInfo(const std::string& name) {
  DatasetInfo info;
  info.name = name;
  info.title =
      name == "sbd" ? "SBD, 21 classes" : "PASCAL VOC 2012, 21 classes";
  info.class_names = {"background",  "aeroplane", "bicycle",   "bird",
                      "boat",        "bottle",    "bus",       "car",
                      "cat",         "chair",     "cow",       "diningtable",
                      "dog",         "horse",     "motorbike", "person",
                      "pottedplant", "sheep",     "sofa",      "train",
                      "tvmonitor"};
  info.palette = VocPalette(info.num_classes());
  return info;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenVoc2012(
    const std::string& folder, const std::string& sbd_folder,
    const std::string& split) {
  Places places;
  SEG_ASSIGN_OR_RETURN(
      places.voc,
      FindRoot(folder, {".", "VOC2012", "VOCdevkit/VOC2012"}, "JPEGImages",
               "the folder VOCdevkit/VOC2012 or one above"));
  if (!sbd_folder.empty()) {
    SEG_ASSIGN_OR_RETURN(places.sbd, SbdRoot(sbd_folder));
  }
  return Open(places, "voc2012", split);
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenSbd(
    const std::string& folder, const std::string& split) {
  Places places;
  SEG_ASSIGN_OR_RETURN(places.sbd, SbdRoot(folder));
  return Open(places, "sbd", split);
}

}  // namespace seg
