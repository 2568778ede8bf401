#include "common/datasets/mapped.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/datasets/transforms.h"

namespace seg {
namespace {

constexpr int64_t kLabels = 256;

absl::Status Bad(const std::string& text) {
  return absl::InvalidArgumentError(absl::StrCat("data.map: ", text));
}

class Mapped : public Dataset {
 public:
  Mapped(std::shared_ptr<const Dataset> base, DatasetInfo info,
         const std::vector<int64_t>& map)
      : base_(std::move(base)), info_(std::move(info)) {
    table_.fill(static_cast<uint8_t>(kMapToIgnore));
    std::copy(map.begin(), map.end(), table_.begin());
  }

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    SEG_ASSIGN_OR_RETURN(Sample sample, base_->Get(index));
    if (!sample.mask.defined()) return sample;
    // A new tensor: the base may share its own with a cache.
    const at::Tensor old = sample.mask.contiguous();
    sample.mask = at::empty(old.sizes(), at::kByte);
    const uint8_t* from = old.data_ptr<uint8_t>();
    uint8_t* to = sample.mask.data_ptr<uint8_t>();
    for (int64_t i = 0; i < old.numel(); ++i) to[i] = table_[from[i]];
    return sample;
  }

 private:
  std::shared_ptr<const Dataset> base_;
  DatasetInfo info_;
  std::array<uint8_t, kLabels> table_;
};

// Checks the length and the values; returns the number of new classes.
absl::StatusOr<int64_t> CountNewClasses(const DatasetInfo& info,
                                        const std::vector<int64_t>& map) {
  if (static_cast<int64_t>(map.size()) != info.num_classes()) {
    return Bad(absl::StrCat("expected one new id for each of the ",
                            info.num_classes(), " classes of ", info.name,
                            ", got ", map.size()));
  }
  std::set<int64_t> ids;
  for (size_t c = 0; c < map.size(); ++c) {
    if (map[c] < 0 || map[c] > kMapToIgnore) {
      return Bad(absl::StrCat(
          "class ", c, " '", info.class_names[c], "': ", map[c],
          ", expected a new id from 0 on, or ", kMapToIgnore, " to ignore it"));
    }
    if (map[c] != kMapToIgnore) ids.insert(map[c]);
  }
  if (ids.empty()) {
    return Bad(absl::StrCat("every class becomes ", kMapToIgnore,
                            " (ignored), expected one to be left at least"));
  }
  int64_t next = 0;
  for (const int64_t id : ids) {
    if (id != next) {
      return Bad(absl::StrCat("no class becomes ", next, " but one becomes ",
                              *ids.rbegin(),
                              ", expected new ids without gaps"));
    }
    ++next;
  }
  return next;
}

// The flip pairs after `map`; an error where mirroring and mapping disagree.
absl::StatusOr<std::vector<std::pair<int64_t, int64_t>>> MapFlipPairs(
    const DatasetInfo& info, const std::vector<int64_t>& map) {
  const std::array<uint8_t, kLabels> mirror = FlipTable(info.flip_pairs);
  // By new label: its mirror image and the old class that said so.
  std::array<int64_t, kLabels> image;
  std::array<int64_t, kLabels> said_by;
  image.fill(-1);
  image[kMapToIgnore] = kMapToIgnore;
  said_by.fill(-1);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t c = 0; c < info.num_classes(); ++c) {
    const int64_t from = map[c];
    const int64_t to = map[mirror[c]];
    if (image[from] == -1) {
      image[from] = to;
      said_by[from] = c;
      if (from < to) pairs.emplace_back(from, to);
    } else if (image[from] != to) {
      const auto name = [&](int64_t old) {
        return absl::StrCat(old, " '", info.class_names[old], "'");
      };
      const int64_t other = said_by[from];
      return Bad(absl::StrCat(
          "augment.flip cannot keep the masks right: in a mirror image class ",
          name(c), " (now ", from, ") becomes ", name(mirror[c]), " (now ", to,
          ")",
          other >= 0 ? absl::StrCat(", yet ", name(other), " (now ", from,
                                    ") becomes ", image[from])
                     : std::string(", yet ignored pixels stay ignored"),
          "; map both sides alike or set augment.flip=false"));
    }
  }
  return pairs;
}

}  // namespace

absl::StatusOr<DatasetInfo> MapInfo(const DatasetInfo& info,
                                    const std::vector<int64_t>& map,
                                    const std::vector<std::string>& class_names,
                                    bool needs_flip) {
  if (map.empty()) {
    if (class_names.empty()) return info;
    return absl::InvalidArgumentError(
        "data.class_names: expected data.map with it, one new id for each "
        "class of the data");
  }
  SEG_ASSIGN_OR_RETURN(const int64_t count, CountNewClasses(info, map));
  if (!class_names.empty() &&
      static_cast<int64_t>(class_names.size()) != count) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.class_names: expected a name for each of the ", count,
        " new classes of data.map, got ", class_names.size()));
  }
  std::set<std::string> seen;
  for (const std::string& name : class_names) {
    if (name.empty() || !seen.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.class_names: '", name,
                       "', expected names that are not empty and differ"));
    }
  }
  DatasetInfo mapped = info;
  mapped.ignore_label = kMapToIgnore;
  mapped.class_names = class_names;
  mapped.class_names.resize(count);
  mapped.palette.assign(count, {0, 0, 0});
  for (int64_t c = info.num_classes() - 1; c >= 0; --c) {
    if (map[c] == kMapToIgnore) continue;
    if (class_names.empty()) mapped.class_names[map[c]] = info.class_names[c];
    mapped.palette[map[c]] = info.palette[c];
  }
  auto pairs = MapFlipPairs(info, map);
  if (!pairs.ok() && needs_flip) return pairs.status();
  mapped.flip_pairs.clear();
  if (pairs.ok()) mapped.flip_pairs = *std::move(pairs);
  return mapped;
}

absl::StatusOr<std::shared_ptr<const Dataset>> MappedDataset(
    std::shared_ptr<const Dataset> dataset, const ClassMapOptions& options,
    bool needs_flip) {
  SEG_ASSIGN_OR_RETURN(
      DatasetInfo info,
      MapInfo(dataset->info(), options.map, options.class_names, needs_flip));
  if (options.map.empty()) return dataset;
  return std::make_shared<Mapped>(std::move(dataset), std::move(info),
                                  options.map);
}

}  // namespace seg
