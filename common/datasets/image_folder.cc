#include "common/datasets/image_folder.h"

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/folds.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr int64_t kFolds = 10;
constexpr uint64_t kFoldKey = 2022;

std::string Stem(const std::string& folder, const std::string& id) {
  return (std::filesystem::path(folder) / id).string();
}

bool IsOwnSplit(const std::string& split) {
  return split == "train" || split == "val" || split == "test";
}

// `all` less the others: folds 0 and 1 are val and test.
std::vector<std::string> Divide(const std::vector<std::string>& all,
                                const std::string& split) {
  const int64_t count = static_cast<int64_t>(all.size());
  std::vector<std::string> part(all.size());
  for (int64_t fold = 0; fold < 2; ++fold) {
    for (const int64_t i : FoldIndices(count, kFolds, fold, FoldPart::kHeldOut,
                                       RandomKey({kFoldKey}))) {
      part[i] = fold == 0 ? "val" : "test";
    }
  }
  std::vector<std::string> ids;
  for (size_t i = 0; i < all.size(); ++i) {
    if (part[i] == split || (part[i].empty() && split == "train")) {
      ids.push_back(all[i]);
    }
  }
  return ids;
}

absl::StatusOr<std::vector<std::string>> IdsOf(const std::string& folder,
                                               const std::string& split) {
  const std::string list = Stem(folder, split + ".txt");
  std::vector<std::string> ids;
  if (BadId(split).empty() && IsFile(list)) {
    SEG_ASSIGN_OR_RETURN(const std::vector<SplitEntry> entries,
                         ReadSplitFile(list));
    for (const SplitEntry& entry : entries) {
      const auto image = FindImageFile(Stem(folder, entry.id));
      if (!image.ok()) {
        return absl::Status(image.status().code(),
                            absl::StrCat(list, ":", entry.line, ": ",
                                         image.status().message()));
      }
      ids.push_back(entry.id);
    }
    return ids;
  }
  bool lists = false;
  for (const char* name : {"train", "val", "test"}) {
    lists = lists || IsFile(Stem(folder, absl::StrCat(name, ".txt")));
  }
  if (split != "all" && (lists || !IsOwnSplit(split))) {
    return NoSuchSplitError(absl::StrCat(
        list,
        ": no such split; write the IDs of its pictures there, one a "
        "line, or take 'all'",
        lists ? "" : ", 'train', 'val' or 'test'"));
  }
  SEG_ASSIGN_OR_RETURN(ids, ListImagesBelow(folder));
  if (ids.empty()) {
    return absl::NotFoundError(absl::StrCat(
        folder, ": no .jpg, .jpeg or .png in the folder or below"));
  }
  return split == "all" ? ids : Divide(ids, split);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenImageFolder(
    const std::string& folder, const std::string& split) {
  SEG_ASSIGN_OR_RETURN(std::vector<std::string> ids, IdsOf(folder, split));
  DatasetInfo info;
  info.name = std::filesystem::path(Stem(folder, "."))
                  .parent_path()
                  .filename()
                  .string();
  info.has_masks = false;
  return ListedDataset(
      info, std::move(ids),
      [folder](const std::string& id) -> absl::StatusOr<Sample> {
        Sample sample;
        sample.id = id;
        SEG_ASSIGN_OR_RETURN(sample.path, FindImageFile(Stem(folder, id)));
        SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
        return sample;
      });
}

}  // namespace seg
