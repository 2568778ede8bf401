#include "common/datasets/pack.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/io/file.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kImageExtensions[] = {".jpg", ".jpeg", ".png"};

constexpr char kCutHint[] =
    " (what follows ' #' in the line is a comment, as no picture is called "
    "like "
    "the whole line)";

std::string Join(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

// `extension` in every mixture of cases but the lower one: ".PNG" first.
std::vector<std::string> OtherCases(const std::string& extension) {
  const size_t letters = extension.size() - 1;
  std::vector<std::string> cases;
  for (size_t bits = (size_t{1} << letters) - 1; bits > 0; --bits) {
    cases.push_back(extension);
    for (size_t i = 0; i < letters; ++i) {
      char& c = cases.back()[i + 1];
      if (bits >> i & 1) c = absl::ascii_toupper(c);
    }
  }
  return cases;
}

// The line without blanks around it. A comment begins at the line's start or
// behind a blank, unless a picture beside the list has the whole line as its
// ID: then it is that ID.
std::string IdOfLine(const std::string& folder, const std::string& line,
                     bool* cut) {
  std::string id(absl::StripAsciiWhitespace(line));
  size_t comment = 0;
  while (comment < id.size() &&
         (id[comment] != '#' ||
          (comment > 0 && id[comment - 1] != ' ' && id[comment - 1] != '\t'))) {
    ++comment;
  }
  *cut = comment < id.size();
  if (!*cut) return id;
  const bool is_picture = BadId(id).empty() && FindImage(folder, id).ok();
  if (!is_picture) {
    id = std::string(absl::StripAsciiWhitespace(id.substr(0, comment)));
  }
  *cut = !is_picture;
  return id;
}

}  // namespace

bool IsFile(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

absl::StatusOr<std::vector<SplitEntry>> ReadSplitFile(
    const std::string& path, std::vector<std::string>* bad_lines) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  const std::string folder = fs::path(path).parent_path().string();
  std::vector<SplitEntry> entries;
  int64_t line = 0;
  size_t begin = text.compare(0, 3, "\xEF\xBB\xBF") == 0 ? 3 : 0;  // UTF-8 mark
  while (begin < text.size()) {
    ++line;
    const size_t end = std::min(text.find('\n', begin), text.size());
    SplitEntry entry;
    entry.line = line;
    const std::string& id = entry.id =
        IdOfLine(folder, text.substr(begin, end - begin), &entry.cut);
    begin = end + 1;
    if (id.empty()) continue;
    const std::string reason = BadId(id);
    if (!reason.empty()) {
      const std::string message =
          absl::StrCat(path, ":", line, ": the ID '", id, "' ", reason);
      if (bad_lines == nullptr) return absl::InvalidArgumentError(message);
      bad_lines->push_back(message);
      continue;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<std::string> ListSplits(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const fs::path path = it->path();
    if (path.extension() != ".txt" || !IsFile(path.string())) continue;
    const std::string name = path.stem().string();
    bool is_list = name == "train" || name == "val" || name == "test";
    if (!is_list) {
      std::vector<std::string> ignored;
      const auto entries = ReadSplitFile(path.string(), &ignored);
      constexpr size_t kLook = 10;
      for (size_t i = 0; entries.ok() && i < std::min(kLook, entries->size());
           ++i) {
        is_list = is_list || FindImage(folder, (*entries)[i].id).ok();
      }
    }
    if (is_list) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> ListImageIds(
    const std::string& folder) {
  const std::string root = Join(folder, "images");
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    return absl::NotFoundError(
        absl::StrCat(root, ": not found; a pack keeps its pictures there"));
  }
  return ListImagesBelow(root);
}

absl::StatusOr<std::vector<std::string>> ListImagesBelow(
    const std::string& root) {
  std::error_code error;
  std::vector<std::string> ids;
  fs::recursive_directory_iterator it(
      root, fs::directory_options::follow_directory_symlink, error);
  for (const fs::recursive_directory_iterator end; !error && it != end;
       it.increment(error)) {
    const fs::path& path = it->path();
    if (path.filename().string()[0] == '.') {  // ".thumbnails", "._a.jpg"
      it.disable_recursion_pending();
      continue;
    }
    const std::string extension =
        absl::AsciiStrToLower(path.extension().string());
    if (std::find(std::begin(kImageExtensions), std::end(kImageExtensions),
                  extension) == std::end(kImageExtensions)) {
      continue;
    }
    ids.push_back(
        path.lexically_relative(root).replace_extension().generic_string());
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(root, ": cannot list the folder: ", error.message()));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

absl::StatusOr<std::string> FindImage(const std::string& folder,
                                      const std::string& id) {
  return FindImageFile(Join(folder, "images/" + id));
}

absl::StatusOr<std::string> FindImageFile(const std::string& stem) {
  std::vector<std::string> found;
  const auto look = [&](const std::string& extension) {
    if (IsFile(stem + extension)) found.push_back(stem + extension);
  };
  for (const std::string extension : kImageExtensions) {
    look(extension);
    look(absl::AsciiStrToUpper(extension));
  }
  // ".Jpg" and the like cost 26 looks more.
  for (const char* extension : kImageExtensions) {
    if (!found.empty()) break;
    for (const std::string& other : OtherCases(extension)) look(other);
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    std::string hint = "add the picture or take the ID out of the list";
    if (IsFile(stem)) hint = "IDs are written without the file's extension";
    return absl::NotFoundError(
        absl::StrCat(stem, ".{jpg,jpeg,png}: not found; ", hint));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(found, " and "),
                   ": both exist for one ID; remove or rename one"));
}

std::string MaskPath(const std::string& folder, const std::string& id) {
  return FindInAnyCase(Join(folder, "masks/" + id), ".png");
}

std::string FindInAnyCase(const std::string& stem,
                          const std::string& extension) {
  if (IsFile(stem + extension)) return stem + extension;
  for (const std::string& other : OtherCases(extension)) {
    if (IsFile(stem + other)) return stem + other;
  }
  return stem + extension;
}

absl::StatusOr<Sample> ReadPackSample(const std::string& folder,
                                      const DatasetInfo& info,
                                      const std::string& id) {
  Sample sample;
  sample.id = id;
  SEG_ASSIGN_OR_RETURN(sample.path, FindImage(folder, id));
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  if (!info.has_masks) return sample;
  const std::string mask_path = MaskPath(folder, id);
  SEG_ASSIGN_OR_RETURN(sample.mask, ReadMask(mask_path));
  SEG_RETURN_IF_ERROR(CheckMask(mask_path, sample, info));
  return sample;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenPack(
    const std::string& folder, const std::string& split) {
  SEG_ASSIGN_OR_RETURN(DatasetInfo info, ReadPackInfo(folder));
  const std::string list = Join(folder, split + ".txt");
  std::vector<std::string> ids;
  std::map<std::string, int64_t> line_of;
  std::set<std::string> cut;  // IDs before a comment
  if (split.empty() || !BadId(split).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, ": split '", split, "' is not a name like train or val"));
  }
  if (split == "all" && !IsFile(list)) {
    SEG_ASSIGN_OR_RETURN(ids, ListImageIds(folder));
  } else {
    if (!IsFile(list)) {
      const std::vector<std::string> splits = ListSplits(folder);
      return NoSuchSplitError(absl::StrCat(
          list, ": no such split; ",
          splits.empty()
              ? "the pack has no lists, write one (an ID a line)"
              : absl::StrCat("the pack has ", absl::StrJoin(splits, ", "),
                             "; write it, an ID a line"),
          "; 'all' takes every image"));
    }
    SEG_ASSIGN_OR_RETURN(const std::vector<SplitEntry> entries,
                         ReadSplitFile(list));
    for (const SplitEntry& entry : entries) {
      const auto [it, fresh] = line_of.emplace(entry.id, entry.line);
      if (!fresh) {
        return absl::InvalidArgumentError(
            absl::StrCat(list, ":", entry.line, ": the ID '", entry.id,
                         "' is already in line ", it->second));
      }
      ids.push_back(entry.id);
      if (entry.cut) cut.insert(entry.id);
    }
  }
  for (const std::string& id : ids) {
    const auto where = [&] {
      return line_of.empty() ? std::string()
                             : absl::StrCat(list, ":", line_of[id], ": ");
    };
    const absl::StatusOr<std::string> image = FindImage(folder, id);
    if (!image.ok()) {
      return absl::Status(image.status().code(),
                          absl::StrCat(where(), image.status().message(),
                                       cut.count(id) > 0 ? kCutHint : ""));
    }
    if (info.has_masks && !IsFile(MaskPath(folder, id))) {
      return absl::NotFoundError(absl::StrCat(
          where(), MaskPath(folder, id),
          ": not found; add the mask, take the ID out of the list, or set "
          "has_masks: false in dataset.yaml if there are none at all"));
    }
  }
  return ListedDataset(info, std::move(ids),
                       [folder, info](const std::string& id) {
                         return ReadPackSample(folder, info, id);
                       });
}

}  // namespace seg
