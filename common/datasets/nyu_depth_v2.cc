#include "common/datasets/nyu_depth_v2.h"

#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/class_table.h"
#include "common/datasets/folds.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mat_numbers.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/hdf5.h"

namespace seg {
namespace {

constexpr uint64_t kFoldKey = 2012;
constexpr uint8_t kIgnored = 255;

// The open file, with the class that each label becomes.
struct Labelled {
  std::string path;
  std::shared_ptr<const Hdf5Array> images, labels;
  std::vector<uint8_t> ids;  // by label; that of 0, unlabelled, is ignored
};

absl::Status BadShape(const Labelled& data, const std::string& name,
                      const std::string& expected, const Hdf5Array& array) {
  return absl::InvalidArgumentError(
      absl::StrCat(data.path, ": ", name, ": expected ", expected, ", got [",
                   absl::StrJoin(array.sizes(), ","), "] of ",
                   array.type() == at::kByte  ? "8 bits"
                   : array.type() == at::kInt ? "16 bits"
                                              : "floating-point numbers"));
}

absl::StatusOr<Labelled> OpenLabelled(const std::string& path,
                                      const ClassTable& table) {
  Labelled data;
  data.path = path;
  SEG_ASSIGN_OR_RETURN(data.images, Hdf5Array::Open(path, "images"));
  SEG_ASSIGN_OR_RETURN(data.labels, Hdf5Array::Open(path, "labels"));
  const std::vector<int64_t>& image = data.images->sizes();
  if (image.size() != 4 || image[1] != 3 || image[2] < 1 || image[3] < 1 ||
      data.images->type() != at::kByte) {
    return BadShape(data, "images", "[N,3,W,H] of 8 bits", *data.images);
  }
  if (data.labels->sizes() !=
          std::vector<int64_t>{image[0], image[2], image[3]} ||
      data.labels->type() != at::kInt) {
    return BadShape(data, "labels", "[N,W,H] as the images, of 16 bits",
                    *data.labels);
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ReadHdf5Texts(path, "names"));
  data.ids = NewIds(table, names);
  data.ids.insert(data.ids.begin(), kIgnored);
  return data;
}

// The classes of a picture's labels. labels: int32 [W,H]. returns: uint8 [H,W].
absl::StatusOr<at::Tensor> Classes(const Labelled& data, const std::string& id,
                                   const at::Tensor& labels) {
  const int64_t height = labels.size(1);
  const int64_t most = static_cast<int64_t>(data.ids.size()) - 1;
  at::Tensor classes = at::empty(labels.sizes(), at::kByte);
  const int32_t* from = labels.const_data_ptr<int32_t>();
  uint8_t* to = classes.data_ptr<uint8_t>();
  for (int64_t i = 0; i < labels.numel(); ++i) {
    if (from[i] > most) {
      return absl::InvalidArgumentError(
          absl::StrCat(data.path, ": labels: label ", from[i], " of picture ",
                       id, " at row ", i % height, ", column ", i / height,
                       " is no number of a name, 1 .. ", most));
    }
    to[i] = data.ids[from[i]];
  }
  return classes.t().contiguous();
}

// id: the picture's number.
absl::StatusOr<Sample> ReadPicture(const Labelled& data,
                                   const std::string& id) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(id, &number)) {
    return absl::InternalError(absl::StrCat("'", id, "' is no number"));
  }
  Sample sample;
  sample.id = id;
  sample.path = absl::StrCat(data.path, ":", id);
  SEG_ASSIGN_OR_RETURN(const at::Tensor image, data.images->Row(number - 1));
  sample.image = image.transpose(1, 2).contiguous();
  SEG_ASSIGN_OR_RETURN(const at::Tensor labels, data.labels->Row(number - 1));
  SEG_ASSIGN_OR_RETURN(sample.mask, Classes(data, id, labels));
  return sample;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenNyuDepthV2(
    const std::string& folder, const std::string& table,
    const std::string& split, int64_t fold) {
  const bool is_part = split == "train" || split == "val";
  if (!is_part && split != "trainval" && split != "test") {
    return NoSuchSplitError(absl::StrCat(
        folder, ": no split '", split,
        "'; there are train, val, trainval, test, where val is the tenth "
        "data.fold of the official training list"));
  }
  if (fold < 0 || fold >= kNyuFolds) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.fold: ", fold, ", expected 0 .. ", kNyuFolds - 1,
                     " with nyu_depth_v2"));
  }
  const std::string file = folder + "/nyu_depth_v2_labeled.mat";
  const std::string list = folder + "/splits.mat";
  for (const std::string& path : {file, list}) {
    if (IsFile(path)) continue;
    return absl::NotFoundError(absl::StrCat(
        path,
        ": not found; expected the folder with nyu_depth_v2_labeled.mat and "
        "splits.mat in it"));
  }
  SEG_ASSIGN_OR_RETURN(const ClassTable classes, ReadClassTable(table));
  SEG_ASSIGN_OR_RETURN(Labelled data, OpenLabelled(file, classes));
  SEG_ASSIGN_OR_RETURN(
      std::vector<int64_t> numbers,
      ReadMatNumbers(list, split == "test" ? "testNdxs" : "trainNdxs",
                     data.images->rows()));
  if (is_part) {
    std::vector<int64_t> part;
    for (const int64_t i :
         FoldIndices(static_cast<int64_t>(numbers.size()), kNyuFolds, fold,
                     split == "val" ? FoldPart::kHeldOut : FoldPart::kRest,
                     RandomKey({kFoldKey}))) {
      part.push_back(numbers[i]);
    }
    numbers = std::move(part);
  }
  std::vector<std::string> ids;
  for (const int64_t number : numbers) {
    ids.push_back(absl::StrFormat("%04d", number));
  }
  DatasetInfo info = classes.info;
  info.name = "nyu_depth_v2";
  const auto shared = std::make_shared<const Labelled>(std::move(data));
  return ListedDataset(
      std::move(info), std::move(ids),
      [shared](const std::string& id) { return ReadPicture(*shared, id); });
}

}  // namespace seg
