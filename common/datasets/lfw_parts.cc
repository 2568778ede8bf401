#include "common/datasets/lfw_parts.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/text_table.h"
#include "common/io/file.h"
#include "common/io/image.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSplitKey = 2012;
constexpr int64_t kMaxInteger = 1000000;

// Whole numbers between blanks or commas.
absl::StatusOr<std::vector<int64_t>> ReadIntegers(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  std::vector<int64_t> out;
  int64_t line = 1;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',') {
      line += c == '\n';
      ++i;
      continue;
    }
    const size_t begin = i;
    const bool negative = c == '-';
    if (negative) ++i;
    const size_t digits = i;
    int64_t value = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      value = std::min(kMaxInteger, 10 * value + (text[i] - '0'));
    }
    const bool ends = i == text.size() || text[i] == ' ' || text[i] == '\t' ||
                      text[i] == '\r' || text[i] == '\n' || text[i] == ',';
    if (i == digits || !ends || value == kMaxInteger) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", line, ": '", text.substr(begin, 20),
                       "', expected whole numbers below ", kMaxInteger));
    }
    out.push_back(negative ? -value : value);
  }
  return out;
}

// Where the files of a sample of `lfw_parts` are.
struct PartFiles {
  std::string image, superpixels, labels;
};

PartFiles FilesOf(const std::string& folder, const std::string& id) {
  const std::string name = id.substr(0, id.rfind('_'));
  const auto path = [&](const char* part, const char* extension) {
    return absl::StrCat(folder, "/", part, "/", name, "/", id, extension);
  };
  return {path("lfw_funneled", ".jpg"),
          path("parts_lfw_funneled_superpixels_mat", ".dat"),
          path("parts_lfw_funneled_gt", ".dat")};
}

DatasetInfo LfwPartsInfo() {
  DatasetInfo info;
  info.name = "lfw_parts";
  info.title = "LFW part labels (Kae et al. 2013), 3 classes";
  info.class_names = {"background", "skin", "hair"};
  info.palette = {{0, 0, 255}, {0, 255, 0}, {255, 0, 0}};
  return info;
}

absl::StatusOr<Sample> ReadPartsSample(const std::string& folder,
                                       const DatasetInfo& info,
                                       const std::string& id) {
  const PartFiles files = FilesOf(folder, id);
  Sample sample;
  sample.id = id;
  sample.path = files.image;
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(files.image));
  SEG_ASSIGN_OR_RETURN(const std::vector<int64_t> superpixels,
                       ReadIntegers(files.superpixels));
  SEG_ASSIGN_OR_RETURN(const std::vector<int64_t> labels,
                       ReadIntegers(files.labels));
  const int64_t height = sample.image.size(1);
  const int64_t width = sample.image.size(2);
  if (static_cast<int64_t>(superpixels.size()) != height * width) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.superpixels, ": ", superpixels.size(),
                     " numbers, expected one a pixel of ", files.image, ", ",
                     width, "x", height));
  }
  const auto count = static_cast<int64_t>(labels.size()) - 1;
  if (count < 0 || labels[0] != count) {
    return absl::InvalidArgumentError(absl::StrCat(
        files.labels, ": ", std::max<int64_t>(0, count), " labels",
        count < 0 ? "" : absl::StrCat(" after the number ", labels[0]),
        ", expected the number of superpixels and as many labels"));
  }
  sample.mask = at::empty({height, width}, at::kByte);
  uint8_t* mask = sample.mask.data_ptr<uint8_t>();
  for (int64_t i = 0; i < height * width; ++i) {
    const int64_t superpixel = superpixels[i];
    if (superpixel < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(files.superpixels, ": superpixel ", superpixel,
                       ", expected 0 or more"));
    }
    const int64_t label = superpixel < count ? labels[superpixel + 1] : -1;
    if (label >= info.num_classes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          files.labels, ": label ", label, " of superpixel ", superpixel,
          ", expected 0 (background), 1 (skin), 2 (hair)"));
    }
    mask[i] = static_cast<uint8_t>(label < 0 ? info.ignore_label : label);
  }
  return sample;
}

// A picture of `lfw4` and its label.
struct Pair {
  std::string image, label;
};

absl::StatusOr<std::map<std::string, Pair>> FindPairs(
    const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name[0] != '.' && IsFile(it->path().string())) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  std::map<std::string, Pair> pairs;
  for (size_t i = 0; i < names.size(); i += 2) {
    const std::string id = fs::path(names[i]).stem().string();
    if (i + 1 == names.size() || !absl::StartsWith(names[i + 1], id) ||
        !absl::EndsWith(names[i + 1], ".png")) {
      return absl::InvalidArgumentError(absl::StrCat(
          folder, "/", names[i], ": ",
          i + 1 == names.size() ? "nothing"
                                : absl::StrCat("'", names[i + 1], "'"),
          " follows, expected pairs NAME.jpg, NAME*.png in the order of their "
          "names and nothing else; convert labels of other formats to PNG"));
    }
    pairs[id] = {folder + "/" + names[i], folder + "/" + names[i + 1]};
  }
  if (pairs.empty()) {
    return absl::NotFoundError(absl::StrCat(
        folder, ": no file in it, expected pairs NAME.jpg, NAME*.png"));
  }
  return pairs;
}

DatasetInfo Lfw4Info() {
  DatasetInfo info;
  info.name = "lfw4";
  info.title = "LFW, 1046 faces with 4 classes (Ai et al. 2012)";
  info.class_names = {"background", "face", "clothes", "hair"};
  info.palette = {{0, 0, 0}, {255, 255, 0}, {0, 0, 255}, {255, 255, 255}};
  return info;
}

absl::StatusOr<Sample> ReadPair(const Pair& pair, const DatasetInfo& info,
                                const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = pair.image;
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(pair.image));
  SEG_ASSIGN_OR_RETURN(const at::Tensor colours, ReadImage(pair.label));
  const at::Tensor bits = colours.ge(128).to(at::kByte);
  const at::Tensor code = bits[0] + bits[1] * 2 + bits[2] * 4;
  const auto ignore = static_cast<uint8_t>(info.ignore_label);
  at::Tensor classes = at::full({8}, ignore, at::kByte);
  uint8_t* of = classes.data_ptr<uint8_t>();
  of[0] = 0;
  of[3] = 1;
  of[4] = 2;
  of[7] = 3;
  sample.mask = classes.index({code.to(at::kLong)}).contiguous();
  SEG_RETURN_IF_ERROR(CheckMask(pair.label, sample, info));
  return sample;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenLfwParts(
    const std::string& folder, const std::string& split) {
  const std::string list = split == "train"  ? "parts_train.txt"
                           : split == "val"  ? "parts_validation.txt"
                           : split == "test" ? "parts_test.txt"
                                             : "";
  if (list.empty()) {
    return NoSuchSplitError(
        absl::StrCat(folder, ": no split '", split,
                     "'; LFW part labels have train (parts_train.txt), val "
                     "(parts_validation.txt), test (parts_test.txt)"));
  }
  const std::string path = absl::StrCat(folder, "/", list);
  if (!IsFile(path)) {
    return absl::NotFoundError(absl::StrCat(
        path,
        ": not found; expected the folder with lfw_funneled, "
        "parts_lfw_funneled_gt, parts_lfw_funneled_superpixels_mat and the "
        "three lists in it"));
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<TableRow> rows,
                       ReadTable(path, 2, "NAME NUMBER"));
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const TableRow& row : rows) {
    SEG_RETURN_IF_ERROR(CheckId(row.where, row.cells[0]));
    int64_t number = 0;
    if (!absl::SimpleAtoi(row.cells[1], &number) || number < 0 ||
        number > 9999 || absl::StrContains(row.cells[0], "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat(row.where, ": '", row.cells[0], " ", row.cells[1],
                       "', expected NAME NUMBER"));
    }
    std::string id = absl::StrFormat("%s_%04d", row.cells[0], number);
    if (!seen.insert(id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(row.where, ": ", id, " is there twice"));
    }
    const PartFiles files = FilesOf(folder, id);
    for (const std::string& file :
         {files.image, files.superpixels, files.labels}) {
      if (!IsFile(file)) {
        return absl::NotFoundError(
            absl::StrCat(file, ": not found, but ", row.where, " lists ", id));
      }
    }
    ids.push_back(std::move(id));
  }
  const DatasetInfo info = LfwPartsInfo();
  return ListedDataset(info, std::move(ids),
                       [folder, info](const std::string& id) {
                         return ReadPartsSample(folder, info, id);
                       });
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenLfw4(
    const std::string& folder, const std::string& split, int64_t fold) {
  if (split != "train" && split != "val" && split != "test" && split != "all") {
    return NoSuchSplitError(
        absl::StrCat(folder, ": no split '", split,
                     "'; lfw4 has train, val, test of the division "
                     "data.fold, and all"));
  }
  if (fold < 0 || fold >= kLfw4Splits) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.fold: ", fold, ", expected 0 .. ", kLfw4Splits - 1,
                     " with lfw4"));
  }
  SEG_ASSIGN_OR_RETURN(auto found, FindPairs(folder));
  const auto pairs =
      std::make_shared<const std::map<std::string, Pair>>(std::move(found));
  std::vector<std::string> all;
  for (const auto& [id, pair] : *pairs) all.push_back(id);
  const auto n = static_cast<int64_t>(all.size());
  std::vector<std::string> ids;
  if (split == "all") {
    ids = all;
  } else {
    const std::vector<int64_t> order = RandomPermutation(
        n, RandomKey({kSplitKey, static_cast<uint64_t>(fold)}));
    const int64_t tenth = (n + 5) / 10;  // rounded
    const int64_t half = (n + 1) / 2;
    const int64_t begin = split == "val" ? 0 : split == "train" ? tenth : half;
    const int64_t end = split == "val" ? tenth : split == "train" ? half : n;
    for (int64_t i = begin; i < end; ++i) ids.push_back(all[order[i]]);
    std::sort(ids.begin(), ids.end());
  }
  const DatasetInfo info = Lfw4Info();
  return ListedDataset(info, std::move(ids),
                       [pairs, info](const std::string& id) {
                         return ReadPair(pairs->at(id), info, id);
                       });
}

}  // namespace seg
