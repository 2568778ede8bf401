#include "common/datasets/synthetic/generated.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace seg {
namespace {

class Generated : public Dataset {
 public:
  Generated(DatasetInfo info, std::string prefix, int64_t first, int64_t size,
            std::function<Sample(int64_t)> make)
      : info_(std::move(info)),
        prefix_(std::move(prefix)),
        first_(first),
        size_(size),
        make_(std::move(make)) {}

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  std::string id(int64_t index) const override {
    return absl::StrCat(prefix_, first_ + index);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size_) {
      return absl::OutOfRangeError(absl::StrCat(
          info_.name, ": sample ", index, " asked for, there are ", size_));
    }
    return make_(first_ + index);
  }

 private:
  DatasetInfo info_;
  std::string prefix_;
  int64_t first_;
  int64_t size_;
  std::function<Sample(int64_t)> make_;
};

}  // namespace

std::shared_ptr<const Dataset> GeneratedDataset(
    DatasetInfo info, std::string prefix, int64_t first, int64_t size,
    std::function<Sample(int64_t)> make) {
  return std::make_shared<Generated>(std::move(info), std::move(prefix), first,
                                     size, std::move(make));
}

}  // namespace seg
