#include "common/datasets/cub.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/folds.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/soft_mask.h"
#include "common/datasets/text_table.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/mat.h"

namespace seg {
namespace {

constexpr uint64_t kFoldKey = 2010;

struct Box {  // pixels left .. right-1, top .. bottom-1
  int64_t left = 0, top = 0, right = 0, bottom = 0;
};

DatasetInfo CubInfo(const std::string& name, const std::string& title) {
  DatasetInfo info;
  info.name = name;
  info.title = title;
  info.class_names = {"background", "bird"};
  info.palette = {{0, 0, 0}, {230, 97, 1}};
  return info;
}

std::string ImagePath(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/images/", id, ".jpg");
}
std::string MatPath(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/annotations-mat/", id, ".mat");
}

// SPECIES/NAME of "SPECIES/NAME.jpg".
absl::StatusOr<std::string> IdOf(const std::string& file,
                                 const std::string& where) {
  absl::string_view name = file;
  if (!absl::ConsumeSuffix(&name, ".jpg")) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": '", file, "', expected SPECIES/NAME.jpg"));
  }
  std::string id(name);
  SEG_RETURN_IF_ERROR(CheckId(where, id));
  return id;
}

absl::Status NoSuchSplit(const std::string& folder, const std::string& split) {
  return NoSuchSplitError(
      absl::StrCat(folder, ": no split '", split,
                   "'; CUB has train, val, trainval, test, where val is the "
                   "tenth data.fold of the official training list"));
}

bool IsSplit(const std::string& split) {
  return split == "train" || split == "val" || split == "trainval" ||
         split == "test";
}

// The part of the official training list that `split` means, in its order.
std::vector<std::string> TakeFold(const std::vector<std::string>& ids,
                                  const std::string& split, int64_t fold) {
  if (split == "trainval") return ids;
  std::vector<std::string> out;
  for (const int64_t i :
       FoldIndices(static_cast<int64_t>(ids.size()), kCubFolds, fold,
                   split == "val" ? FoldPart::kHeldOut : FoldPart::kRest,
                   RandomKey({kFoldKey}))) {
    out.push_back(ids[i]);
  }
  return out;
}

absl::Status CheckFold(int64_t fold) {
  if (fold >= 0 && fold < kCubFolds) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "data.fold: ", fold, ", expected 0 .. ", kCubFolds - 1, " with CUB"));
}

// Checks the mask and crops picture and mask.
absl::Status Crop(const std::string& mask_path, const std::string& box_path,
                  const Box& box, const DatasetInfo& info, Sample* sample) {
  SEG_RETURN_IF_ERROR(CheckMask(mask_path, *sample, info));
  const int64_t left = std::max<int64_t>(0, box.left);
  const int64_t top = std::max<int64_t>(0, box.top);
  const int64_t right = std::min(box.right, sample->image.size(2));
  const int64_t bottom = std::min(box.bottom, sample->image.size(1));
  if (left >= right || top >= bottom) {
    return absl::InvalidArgumentError(
        absl::StrCat(box_path, ": the box of ", sample->id,
                     " covers no pixel of ", sample->path, ", which is ",
                     sample->image.size(2), "x", sample->image.size(1)));
  }
  sample->image =
      sample->image.slice(1, top, bottom).slice(2, left, right).contiguous();
  sample->mask =
      sample->mask.slice(0, top, bottom).slice(1, left, right).contiguous();
  return absl::OkStatus();
}

// Whole pixels; far away is as good as any place outside the picture.
int64_t ToPixel(double x) {
  return static_cast<int64_t>(std::clamp(x, -1e9, 1e9));
}

absl::StatusOr<at::Tensor> ReadVariable(const std::string& bytes,
                                        const std::string& path,
                                        const std::string& variable) {
  auto value = ParseMatArray(bytes, variable);
  if (value.ok()) return value;
  return absl::Status(value.status().code(),
                      absl::StrCat(path, ": ", value.status().message()));
}

absl::StatusOr<Box> ReadBox(const std::string& bytes, const std::string& path) {
  double sides[4];
  const char* const names[4] = {"left", "top", "right", "bottom"};
  for (int i = 0; i < 4; ++i) {
    const std::string name = absl::StrCat("bbox.", names[i]);
    SEG_ASSIGN_OR_RETURN(const at::Tensor value,
                         ReadVariable(bytes, path, name));
    sides[i] = value.numel() == 1 ? value.item().toDouble() : NAN;
    if (!std::isfinite(sides[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", name, ": ", value.numel(),
                       " numbers, expected one finite number of pixels"));
    }
  }
  Box box;
  box.left = ToPixel(std::floor(sides[0])) - 1;
  box.top = ToPixel(std::floor(sides[1])) - 1;
  box.right = ToPixel(std::ceil(sides[2]));
  box.bottom = ToPixel(std::ceil(sides[3]));
  return box;
}

std::string FinePath(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/segmentations/", id, ".png");
}

absl::StatusOr<Sample> Read2010(const std::string& folder, bool fine,
                                const DatasetInfo& info,
                                const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = ImagePath(folder, id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  const std::string path = MatPath(folder, id);
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  SEG_ASSIGN_OR_RETURN(const Box box, ReadBox(bytes, path));
  if (fine) {
    SEG_ASSIGN_OR_RETURN(sample.mask, ReadSoftMask(FinePath(folder, id)));
  } else {
    SEG_ASSIGN_OR_RETURN(sample.mask, ReadVariable(bytes, path, "seg"));
    if (sample.mask.dim() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": seg: ", sample.mask.dim(), " axes, expected 2"));
    }
    sample.mask = sample.mask.ne(0).to(at::kByte);
  }
  SEG_RETURN_IF_ERROR(
      Crop(fine ? FinePath(folder, id) : path, path, box, info, &sample));
  return sample;
}

// images.txt: the IDs in its order, and where each number stands.
struct Names2011 {
  std::vector<std::string> ids;
  std::map<std::string, size_t> by_number;

  // The place of the image that a row of another list is about.
  absl::StatusOr<size_t> Find(const TableRow& row) const {
    const auto it = by_number.find(row.cells[0]);
    if (it != by_number.end()) return it->second;
    return absl::InvalidArgumentError(
        absl::StrCat(row.where, ": no image ", row.cells[0], " in images.txt"));
  }
};

absl::StatusOr<Names2011> ReadNames2011(const std::string& folder) {
  Names2011 names;
  std::set<std::string> seen;
  SEG_ASSIGN_OR_RETURN(
      const std::vector<TableRow> rows,
      ReadTable(folder + "/images.txt", 2, "NUMBER SPECIES/NAME.jpg"));
  for (const TableRow& row : rows) {
    SEG_ASSIGN_OR_RETURN(std::string id, IdOf(row.cells[1], row.where));
    if (!names.by_number.emplace(row.cells[0], names.ids.size()).second ||
        !seen.insert(id).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          row.where, ": ", row.cells[0], " ", id, " is there twice"));
    }
    names.ids.push_back(std::move(id));
  }
  return names;
}

// What the lists of the edition of 2011 say of an image.
struct Listed2011 {
  std::string id;
  Box box;
  bool training = false;
  bool has_box = false, has_split = false;
};

// In the order of images.txt.
absl::StatusOr<std::vector<Listed2011>> ReadLists2011(
    const std::string& folder) {
  SEG_ASSIGN_OR_RETURN(const Names2011 names, ReadNames2011(folder));
  std::vector<Listed2011> images(names.ids.size());
  for (size_t i = 0; i < images.size(); ++i) images[i].id = names.ids[i];
  const auto find = [&](const TableRow& row) -> absl::StatusOr<Listed2011*> {
    SEG_ASSIGN_OR_RETURN(const size_t place, names.Find(row));
    return &images[place];
  };
  const std::string split_path = folder + "/train_test_split.txt";
  SEG_ASSIGN_OR_RETURN(const std::vector<TableRow> splits,
                       ReadTable(split_path, 2, "NUMBER 0|1"));
  for (const TableRow& row : splits) {
    SEG_ASSIGN_OR_RETURN(Listed2011 * image, find(row));
    if (row.cells[1] != "0" && row.cells[1] != "1") {
      return absl::InvalidArgumentError(absl::StrCat(
          row.where, ": '", row.cells[1], "', expected 1 (training) or 0"));
    }
    image->training = row.cells[1] == "1";
    image->has_split = true;
  }
  const std::string box_path = folder + "/bounding_boxes.txt";
  SEG_ASSIGN_OR_RETURN(const std::vector<TableRow> boxes,
                       ReadTable(box_path, 5, "NUMBER X Y WIDTH HEIGHT"));
  for (const TableRow& row : boxes) {
    SEG_ASSIGN_OR_RETURN(Listed2011 * image, find(row));
    double v[4];
    for (int i = 0; i < 4; ++i) {
      if (!absl::SimpleAtod(row.cells[i + 1], &v[i]) || !std::isfinite(v[i])) {
        return absl::InvalidArgumentError(
            absl::StrCat(row.where, ": '", row.cells[i + 1],
                         "', expected NUMBER X Y WIDTH HEIGHT"));
      }
    }
    image->box.left = ToPixel(std::floor(v[0]));
    image->box.top = ToPixel(std::floor(v[1]));
    image->box.right = ToPixel(std::ceil(v[0] + v[2]));
    image->box.bottom = ToPixel(std::ceil(v[1] + v[3]));
    image->has_box = true;
  }
  for (const Listed2011& image : images) {
    if (image.has_split && image.has_box) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(image.has_split ? box_path : split_path, ": lacks ",
                     image.id, ", which images.txt has"));
  }
  return images;
}

// Where the masks are: in the folder or beside it.
std::string Segmentations(const std::string& folder) {
  const std::string inside = folder + "/segmentations";
  std::error_code error;
  if (std::filesystem::is_directory(inside, error)) return inside;
  return (std::filesystem::path(folder) / ".." / "segmentations")
      .lexically_normal()
      .string();
}

absl::StatusOr<Sample> Read2011(const std::string& folder,
                                const std::string& masks, const Box& box,
                                const DatasetInfo& info,
                                const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = ImagePath(folder, id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  const std::string path = absl::StrCat(masks, "/", id, ".png");
  SEG_ASSIGN_OR_RETURN(sample.mask, ReadSoftMask(path));
  SEG_RETURN_IF_ERROR(
      Crop(path, folder + "/bounding_boxes.txt", box, info, &sample));
  return sample;
}

// CUB_200_2011, where `folder` is that or the one above it.
absl::StatusOr<std::string> Root2011(const std::string& folder) {
  for (const std::string& root : {folder, folder + "/CUB_200_2011"}) {
    if (IsFile(root + "/images.txt")) return root;
  }
  return absl::NotFoundError(
      absl::StrCat(folder,
                   ": expected CUB_200_2011 or the folder above it, found no "
                   "images.txt in either"));
}

absl::Status CheckFiles(const std::vector<std::string>& files,
                        const std::string& list) {
  for (const std::string& file : files) {
    if (!IsFile(file)) {
      return absl::NotFoundError(
          absl::StrCat(file, ": not found, but ", list, " lists it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenCub2010(
    const std::string& folder, const std::string& split, int64_t fold) {
  if (!IsSplit(split)) return NoSuchSplit(folder, split);
  SEG_RETURN_IF_ERROR(CheckFold(fold));
  const std::string list =
      folder + (split == "test" ? "/lists/test.txt" : "/lists/train.txt");
  if (!IsFile(list)) {
    return absl::NotFoundError(
        absl::StrCat(list,
                     ": not found; expected the folder with images, lists and "
                     "annotations-mat of CUB-200 (2010) in it"));
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<TableRow> rows,
                       ReadTable(list, 1, "SPECIES/NAME.jpg"));
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const TableRow& row : rows) {
    SEG_ASSIGN_OR_RETURN(std::string id, IdOf(row.cells[0], row.where));
    if (!seen.insert(id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(row.where, ": ", id, " is there twice"));
    }
    ids.push_back(std::move(id));
  }
  if (split != "test") ids = TakeFold(ids, split, fold);
  std::error_code error;
  const bool fine =
      std::filesystem::is_directory(folder + "/segmentations", error);
  for (const std::string& id : ids) {
    std::vector<std::string> files = {ImagePath(folder, id),
                                      MatPath(folder, id)};
    if (fine) files.push_back(FinePath(folder, id));
    SEG_RETURN_IF_ERROR(CheckFiles(files, list));
  }
  const DatasetInfo info = CubInfo("cub2010", "CUB-200 (2010), bird or not");
  return ListedDataset(info, std::move(ids),
                       [folder, fine, info](const std::string& id) {
                         return Read2010(folder, fine, info, id);
                       });
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenCub2011(
    const std::string& folder, const std::string& split, int64_t fold) {
  if (!IsSplit(split)) return NoSuchSplit(folder, split);
  SEG_RETURN_IF_ERROR(CheckFold(fold));
  SEG_ASSIGN_OR_RETURN(const std::string root, Root2011(folder));
  const std::string list = root + "/images.txt";
  SEG_ASSIGN_OR_RETURN(const std::vector<Listed2011> images,
                       ReadLists2011(root));
  std::vector<std::string> ids;
  auto boxes = std::make_shared<std::map<std::string, Box>>();
  for (const Listed2011& image : images) {
    if (image.training == (split == "test")) continue;
    ids.push_back(image.id);
    (*boxes)[image.id] = image.box;
  }
  if (split != "test") ids = TakeFold(ids, split, fold);
  const std::string masks = Segmentations(root);
  for (const std::string& id : ids) {
    SEG_RETURN_IF_ERROR(CheckFiles(
        {ImagePath(root, id), absl::StrCat(masks, "/", id, ".png")}, list));
  }
  const DatasetInfo info = CubInfo("cub2011", "CUB-200-2011, bird or not");
  return ListedDataset(info, std::move(ids),
                       [root, masks, boxes, info](const std::string& id) {
                         return Read2011(root, masks, boxes->at(id), info, id);
                       });
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenCubRedo(
    const std::string& folder, const std::string& split) {
  const std::vector<std::string> splits = {"train", "val", "test"};
  const auto wanted = std::find(splits.begin(), splits.end(), split);
  if (wanted == splits.end()) {
    return NoSuchSplitError(absl::StrCat(folder, ": no split '", split,
                                         "'; there are train, val, test"));
  }
  SEG_ASSIGN_OR_RETURN(const std::string root, Root2011(folder));
  SEG_ASSIGN_OR_RETURN(const Names2011 names, ReadNames2011(root));
  const std::string list = root + "/train_val_test_split.txt";
  if (!IsFile(list)) {
    return absl::NotFoundError(absl::StrCat(
        list,
        ": not found; it is in datasplits/cub of the repository of ReDO, or "
        "take cub2011: with the official split"));
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<TableRow> rows,
                       ReadTable(list, 2, "NUMBER 0|1|2"));
  std::vector<std::string> part(names.ids.size());
  for (const TableRow& row : rows) {
    SEG_ASSIGN_OR_RETURN(const size_t place, names.Find(row));
    part[place] = row.cells[1];
    if (part[place] != "0" && part[place] != "1" && part[place] != "2") {
      return absl::InvalidArgumentError(
          absl::StrCat(row.where, ": '", row.cells[1],
                       "', expected 0 (train), 1 (val) or 2 (test)"));
    }
  }
  const std::string own = absl::StrCat(wanted - splits.begin());
  const std::string masks = Segmentations(root);
  std::vector<std::string> ids;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i].empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          list, ": lacks ", names.ids[i], ", which images.txt has"));
    }
    if (part[i] != own) continue;
    ids.push_back(names.ids[i]);
    SEG_RETURN_IF_ERROR(
        CheckFiles({ImagePath(root, ids.back()),
                    absl::StrCat(masks, "/", ids.back(), ".png")},
                   list));
  }
  const DatasetInfo info =
      CubInfo("cub_redo", "CUB-200-2011, whole pictures, split of ReDO");
  return ListedDataset(
      info, std::move(ids),
      [root, masks, info](const std::string& id) -> absl::StatusOr<Sample> {
        Sample sample;
        sample.id = id;
        sample.path = ImagePath(root, id);
        SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
        const std::string path = absl::StrCat(masks, "/", id, ".png");
        SEG_ASSIGN_OR_RETURN(sample.mask, ReadSoftMask(path));
        SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
        return sample;
      });
}

}  // namespace seg
