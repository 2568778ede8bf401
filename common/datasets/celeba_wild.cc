#include "common/datasets/celeba_wild.h"

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/file.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr int64_t kPoints = 5;

// The list of that name in `folder` or in `below` of it; empty where there is
// none.
std::string FindList(const std::string& folder, const std::string& below,
                     const std::string& name) {
  for (const std::string& path :
       {folder + "/" + name, folder + "/" + below + "/" + name}) {
    if (IsFile(path)) return path;
  }
  return "";
}

absl::Status Missing(const std::string& folder, const std::string& below,
                     const std::string& name) {
  return absl::NotFoundError(
      absl::StrCat(folder, "/", name, ": not found, nor in ", below,
                   "; expected the annotations of CelebA and the lists of MAFL "
                   "in the folder"));
}

// The lines that are a name and `numbers` numbers.
absl::StatusOr<std::map<std::string, std::vector<double>>> ReadNumbers(
    const std::string& path, size_t numbers) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::map<std::string, std::vector<double>> rows;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> cells =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (cells.size() != numbers + 1) continue;
    std::vector<double> row(numbers);
    bool good = true;
    for (size_t i = 0; good && i < numbers; ++i) {
      good = absl::SimpleAtod(cells[i + 1], &row[i]) && row[i] > -1e6 &&
             row[i] < 1e6;
    }
    if (good) rows.emplace(std::string(cells[0]), std::move(row));
  }
  if (rows.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no line of a name and ", numbers, " numbers"));
  }
  return rows;
}

// The first word of each line.
absl::StatusOr<std::vector<std::string>> ReadNames(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<std::string> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> cells =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (cells.empty()) continue;
    SEG_RETURN_IF_ERROR(CheckId(path, cells[0]));
    names.push_back(cells[0]);
  }
  return names;
}

at::Tensor PointsOf(const std::vector<double>& row) {
  at::Tensor points = at::ones({kPoints, 3}, at::kFloat);
  float* out = points.data_ptr<float>();
  for (int64_t p = 0; p < kPoints; ++p) {
    out[3 * p] = static_cast<float>(row[2 * p]);
    out[3 * p + 1] = static_cast<float>(row[2 * p + 1]);
  }
  return points;
}

class Lists {
 public:
  explicit Lists(std::string folder) : folder_(std::move(folder)) {}

  absl::StatusOr<std::string> Annotation(const std::string& name) const {
    const std::string path = FindList(folder_, "Anno", name);
    if (path.empty()) return Missing(folder_, "Anno", name);
    return path;
  }
  absl::StatusOr<std::vector<std::string>> Mafl(const std::string& name) const {
    const std::string path = FindList(folder_, "MAFL", name);
    if (path.empty()) return Missing(folder_, "MAFL", name);
    return ReadNames(path);
  }
  // Names of a split, before small faces are taken out.
  absl::StatusOr<std::vector<std::string>> Names(
      const std::string& split,
      const std::map<std::string, std::vector<double>>& all) const {
    if (split == "val") return Mafl("training.txt");
    if (split == "test") return Mafl("testing.txt");
    const std::string own = FindList(folder_, "MAFL", "celebA_training.txt");
    if (!own.empty()) return ReadNames(own);
    std::set<std::string> taken;
    for (const char* list : {"training.txt", "testing.txt"}) {
      SEG_ASSIGN_OR_RETURN(const std::vector<std::string> names, Mafl(list));
      taken.insert(names.begin(), names.end());
    }
    std::vector<std::string> names;
    for (const auto& [name, row] : all) {
      if (taken.count(name) == 0) names.push_back(name);
    }
    return names;
  }

 private:
  std::string folder_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenCelebaWild(
    const std::string& folder, const std::string& split) {
  if (split != "train" && split != "val" && split != "test") {
    return NoSuchSplitError(absl::StrCat(
        folder, ": no split '", split,
        "'; there are train, val (MAFL's training list) and test"));
  }
  const Lists lists(folder);
  SEG_ASSIGN_OR_RETURN(const std::string landmark_path,
                       lists.Annotation("list_landmarks_celeba.txt"));
  SEG_ASSIGN_OR_RETURN(const auto landmarks,
                       ReadNumbers(landmark_path, 2 * kPoints));
  SEG_ASSIGN_OR_RETURN(const std::string box_path,
                       lists.Annotation("list_bbox_celeba.txt"));
  SEG_ASSIGN_OR_RETURN(const auto boxes, ReadNumbers(box_path, 4));
  std::map<std::string, std::vector<double>> sizes;
  const std::string size_path =
      FindList(folder, "Anno", "list_imsize_celeba.txt");
  if (!size_path.empty()) {
    SEG_ASSIGN_OR_RETURN(sizes, ReadNumbers(size_path, 2));
  }
  std::string images = folder + "/img_celeba";
  if (!IsFile(images + "/" + landmarks.begin()->first) &&
      IsFile(folder + "/Img/img_celeba/" + landmarks.begin()->first)) {
    images = folder + "/Img/img_celeba";
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       lists.Names(split, landmarks));
  std::vector<std::string> ids;
  auto points = std::make_shared<std::map<std::string, at::Tensor>>();
  for (const std::string& name : names) {
    const auto landmark = landmarks.find(name);
    const auto box = boxes.find(name);
    if (landmark == landmarks.end() || box == boxes.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(landmark == landmarks.end() ? landmark_path : box_path,
                       ": no line for ", name));
    }
    const auto size = sizes.find(name);
    double area = 0.0;
    if (size != sizes.end()) {
      area = size->second[0] * size->second[1];
    } else {
      SEG_ASSIGN_OR_RETURN(const ImageSize header,
                           ReadImageSize(images + "/" + name));
      area = static_cast<double>(header.height * header.width);
    }
    if (box->second[2] * box->second[3] < kCelebaFaceShare * area) continue;
    if (!points->emplace(name, PointsOf(landmark->second)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(folder, ": the ", split, " list has ", name, " twice"));
    }
    ids.push_back(name);
  }
  DatasetInfo info;
  info.name = "celeba_wild";
  info.title = "CelebA in the wild, large faces";
  info.has_masks = false;
  info.has_points = true;
  info.point_flip_pairs = {{0, 1}, {3, 4}};
  return ListedDataset(
      info, std::move(ids),
      [images, points](const std::string& id) -> absl::StatusOr<Sample> {
        Sample sample;
        sample.id = id;
        sample.path = images + "/" + id;
        SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
        sample.points = points->at(id);
        return sample;
      });
}

}  // namespace seg
