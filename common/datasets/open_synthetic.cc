#include "common/datasets/open_synthetic.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/synthetic/ambiguous.h"
#include "common/datasets/synthetic/articulated.h"
#include "common/datasets/synthetic/digits.h"
#include "common/datasets/synthetic/faces.h"
#include "common/datasets/synthetic/objects.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/datasets/synthetic/strands.h"

namespace seg {
namespace {

using Set = absl::StatusOr<std::shared_ptr<const Dataset>>;

constexpr char kSynthetic[] = "synthetic:";

// Every split of a synthetic set owns this many indices.
constexpr int64_t kSplitStride = int64_t{1} << 32;

// The indices of a split of a generated set.
struct IndexRange {
  int64_t first = 0;
  int64_t size = 0;
};

absl::StatusOr<IndexRange> SplitRange(const DataConfig& config,
                                      const std::string& split) {
  const SyntheticConfig& sizes = config.synthetic;
  IndexRange range;
  if (split == "train") {
    range = {0, sizes.train};
  } else if (split == "val") {
    range = {kSplitStride, sizes.val};
  } else if (split == "test") {
    range = {2 * kSplitStride, sizes.test};
  } else {
    return NoSuchSplitError(
        absl::StrCat(config.pack, ": no split '", split,
                     "'; synthetic sets have train, val, test"));
  }
  if (range.size < 0 || range.size > 1000000000) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.synthetic.", split, ": ", range.size,
                     ", expected 0 .. 1000000000"));
  }
  return range;
}

// Sets what only one generator has.
template <typename Options>
absl::Status SetOwn(const SyntheticConfig&, Options*) {
  return absl::OkStatus();
}

absl::Status SetOwn(const SyntheticConfig& config, DigitsOptions* options) {
  options->hidden_quadrants = config.hidden_quadrants;
  if (config.hidden_quadrants >= 1 && config.hidden_quadrants <= 3) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("data.synthetic.hidden_quadrants: ", config.hidden_quadrants,
                   ", expected 1 .. 3"));
}

absl::Status SetOwn(const SyntheticConfig& config, ObjectsOptions* options) {
  options->border = config.border;
  if (config.border >= 0 && config.border <= 16) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "data.synthetic.border: ", config.border, ", expected 0 .. 16"));
}

template <typename Options, auto Make, int64_t kSmallestSide>
Set Generate(const DataConfig& config, const std::string& split) {
  const SyntheticConfig& sizes = config.synthetic;
  for (const int64_t side : {sizes.height, sizes.width}) {
    if (side < kSmallestSide || side > 4096) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data.synthetic.height, data.synthetic.width: ", sizes.height, ", ",
          sizes.width, ", expected ", kSmallestSide, " .. 4096"));
    }
  }
  SEG_ASSIGN_OR_RETURN(const IndexRange range, SplitRange(config, split));
  Options options;
  options.height = sizes.height;
  options.width = sizes.width;
  options.seed = static_cast<uint64_t>(sizes.seed);
  SEG_RETURN_IF_ERROR(SetOwn(sizes, &options));
  return Make(options, range.first, range.size);
}

struct Generator {
  const char* name;
  Set (*open)(const DataConfig& config, const std::string& split);
};

constexpr Generator kGenerators[] = {
    {"synthetic:scenes", Generate<ScenesOptions, MakeScenesDataset, 16>},
    {"synthetic:faces", Generate<FacesOptions, MakeFacesDataset, 32>},
    {"synthetic:ambiguous",
     Generate<AmbiguousOptions, MakeAmbiguousDataset, 32>},
    {"synthetic:articulated",
     Generate<ArticulatedOptions, MakeArticulatedDataset, 32>},
    {"synthetic:objects", Generate<ObjectsOptions, MakeObjectsDataset, 16>},
    {"synthetic:digits", Generate<DigitsOptions, MakeDigitsDataset, 32>},
    {"synthetic:strands", Generate<StrandsOptions, MakeStrandsDataset, 32>},
};

}  // namespace

bool IsSynthetic(const std::string& pack) {
  return absl::StartsWith(pack, kSynthetic);
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenSynthetic(
    const DataConfig& config, const std::string& split) {
  std::vector<std::string> names;
  for (const Generator& generator : kGenerators) {
    if (config.pack == generator.name) return generator.open(config, split);
    names.push_back(generator.name);
  }
  return absl::NotFoundError(
      absl::StrCat("data.pack: no synthetic set '",
                   config.pack.substr(sizeof(kSynthetic) - 1), "'; there are ",
                   absl::StrJoin(names, ", ")));
}

}  // namespace seg
