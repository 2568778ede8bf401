#include "common/datasets/listed_dataset.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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

}  // namespace seg
