#include "common/datasets/listed.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/datasets/pack.h"
#include "common/io/file.h"

namespace seg {
namespace {

class Listed : public Dataset {
 public:
  Listed(DatasetInfo info, std::vector<std::string> ids, SampleReader read)
      : info_(std::move(info)), ids_(std::move(ids)), read_(std::move(read)) {}

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(ids_.size()); }
  std::string id(int64_t index) const override { return ids_[index]; }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size()) {
      return absl::OutOfRangeError(absl::StrCat(
          info_.name, ": sample ", index, " asked for, there are ", size()));
    }
    return read_(ids_[index]);
  }

 private:
  DatasetInfo info_;
  std::vector<std::string> ids_;
  SampleReader read_;
};

}  // namespace

std::shared_ptr<const Dataset> ListedDataset(DatasetInfo info,
                                             std::vector<std::string> ids,
                                             SampleReader read) {
  return std::make_shared<Listed>(std::move(info), std::move(ids),
                                  std::move(read));
}

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

absl::StatusOr<std::vector<TableRow>> ReadTable(const std::string& path,
                                                size_t columns,
                                                const std::string& what) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  std::vector<TableRow> rows;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    TableRow row;
    row.cells =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    row.where = absl::StrCat(path, ":", number);
    if (row.cells.empty()) continue;
    if (row.cells.size() != columns) {
      return absl::InvalidArgumentError(absl::StrCat(
          row.where, ": ", row.cells.size(), " cells, expected ", what));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

absl::Status CheckId(const std::string& where, const std::string& id) {
  const std::vector<std::string> parts = absl::StrSplit(id, '/');
  for (const std::string& part : parts) {
    if (part.empty() || part == "." || part == ".." ||
        part.find('\\') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": '", id, "' is no name of a file below the folder"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> ListTextFiles(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".txt") {
      names.push_back(it->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status CheckMask(const std::string& path, const Sample& sample,
                       const DatasetInfo& info) {
  const at::Tensor mask = sample.mask.contiguous();
  if (mask.size(0) != sample.image.size(1) ||
      mask.size(1) != sample.image.size(2)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", mask.size(1), "x", mask.size(0), ", expected the size of ",
        sample.path, ", ", sample.image.size(2), "x", sample.image.size(1)));
  }
  const uint8_t* labels = mask.data_ptr<uint8_t>();
  for (int64_t i = 0; i < mask.numel(); ++i) {
    if (labels[i] < info.num_classes() || labels[i] == info.ignore_label) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": label ", static_cast<int>(labels[i]), " at row ",
        i / mask.size(1), ", column ", i % mask.size(1), ", expected 0 .. ",
        info.num_classes() - 1, " or ", info.ignore_label,
        "; the file is damaged or of other data"));
  }
  return absl::OkStatus();
}

}  // namespace seg
