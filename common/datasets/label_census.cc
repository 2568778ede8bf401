#include "common/datasets/label_census.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace seg {
namespace {

constexpr int64_t kMaxMasks = 256;
constexpr int64_t kMaxMaskPixels = int64_t{64} << 20;

std::string ClassName(const DatasetInfo& info, int64_t c) {
  return absl::StrCat(c, " (", info.class_names[c], ")");
}

std::string Conversion(const LabelCensus& census, const std::string& masks,
                       int64_t absent) {
  return absl::StrCat("if ", census.ignore_label,
                      " means a class, convert the masks: bazel ",
                      "run //tools:convert_masks -- ", masks,
                      " --out=NEW_FOLDER ", census.ignore_label, "=", absent);
}

}  // namespace

std::array<int64_t, 256> CountLabels(const at::Tensor& mask) {
  const at::Tensor whole = mask.contiguous();
  const uint8_t* labels = whole.const_data_ptr<uint8_t>();
  std::array<int64_t, 256> counts{};
  for (int64_t i = 0; i < whole.numel(); ++i) ++counts[labels[i]];
  return counts;
}

LabelCensus::LabelCensus(const DatasetInfo& info)
    : ignore_label(info.ignore_label),
      class_pixels(info.num_classes(), 0),
      class_masks(info.num_classes(), 0) {}

void LabelCensus::Add(const std::array<int64_t, 256>& counts) {
  ++masks;
  bool has_class = false;
  for (size_t c = 0; c < class_pixels.size(); ++c) {
    class_pixels[c] += counts[c];
    class_masks[c] += counts[c] > 0 ? 1 : 0;
    has_class = has_class || counts[c] > 0;
  }
  void_pixels += counts[ignore_label];
  void_masks += !has_class && counts[ignore_label] > 0 ? 1 : 0;
}

bool LabelCensus::HasAllClasses() const {
  return std::find(class_pixels.begin(), class_pixels.end(), 0) ==
         class_pixels.end();
}

LabelFindings JudgeLabels(const LabelCensus& census, const DatasetInfo& info,
                          const std::string& masks) {
  LabelFindings findings;
  std::vector<int64_t> present, absent;
  for (int64_t c = 0; c < info.num_classes(); ++c) {
    (census.class_pixels[c] > 0 ? present : absent).push_back(c);
  }
  const bool has_void = census.void_pixels > 0;
  const std::string is_void =
      absl::StrCat(census.ignore_label, ", which is void (ignore_label)");
  if (present.empty()) {
    if (!has_void) return findings;  // no pixels at all
    findings.errors.push_back(absl::StrCat(
        "every pixel is ", is_void, ": nothing can be learned or scored; ",
        Conversion(census, masks, 0)));
    return findings;
  }
  if (absent.empty()) return findings;
  std::vector<std::string> names;
  for (const int64_t c : absent) names.push_back(ClassName(info, c));
  const std::string missing = absl::StrCat(
      absent.size() == 1 ? "class " : "classes ", absl::StrJoin(names, ", "));
  if (present.size() == 1) {
    findings.errors.push_back(absl::StrCat(
        "the only class is ", ClassName(info, present[0]),
        has_void ? absl::StrCat(", the other pixels are ", is_void) : "", "; ",
        missing, absent.size() == 1 ? " occurs nowhere; " : " occur nowhere; ",
        has_void ? Conversion(census, masks, absent[0])
                 : "do the masks hold class ids, and are they of these "
                   "pictures?"));
    return findings;
  }
  findings.warnings.push_back(absl::StrCat(
      missing, absent.size() == 1 ? " occurs" : " occur",
      " nowhere, so a network cannot learn ",
      absent.size() == 1 ? "it" : "them",
      "; leave classes out of the list, or map them by data.map",
      has_void ? absl::StrCat("; ", Conversion(census, masks, absent[0]))
               : ""));
  return findings;
}

absl::Status WarnOfTrainingLabels(const Dataset& train) {
  const DatasetInfo& info = train.info();
  if (!info.has_masks || train.size() == 0) return absl::OkStatus();
  LabelCensus census(info);
  const int64_t most = std::min(kMaxMasks, train.size());
  int64_t pixels = 0;
  for (int64_t i = 0;
       i < most && pixels < kMaxMaskPixels && !census.HasAllClasses(); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample,
                         train.Get(i * train.size() / most));
    if (!sample.mask.defined()) return absl::OkStatus();
    census.Add(CountLabels(sample.mask));
    pixels += sample.mask.numel();
  }
  const LabelFindings findings = JudgeLabels(census, info, "MASKS");
  const std::string looked_at =
      census.masks == train.size()
          ? absl::StrCat(info.name, ", the ", census.masks, " training masks: ")
          : absl::StrCat(info.name, ", ", census.masks, " of ", train.size(),
                         " training masks looked at: ");
  for (const auto* lines : {&findings.errors, &findings.warnings}) {
    for (const std::string& line : *lines) {
      LogWarning(absl::StrCat(looked_at, line));
    }
  }
  return absl::OkStatus();
}

}  // namespace seg
