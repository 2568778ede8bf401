// What the masks of a data set hold, and whether that can be what they mean.
// Masks of 0 and 255 for two classes are the classic: 255 is void, so they
// train to a perfect score of nothing.
#ifndef COMMON_DATASETS_LABEL_CENSUS_H_
#define COMMON_DATASETS_LABEL_CENSUS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/datasets/dataset.h"

namespace seg {

// Pixels of each value in a mask, uint8 [H,W].
std::array<int64_t, 256> CountLabels(const at::Tensor& mask);

struct LabelCensus {
  explicit LabelCensus(const DatasetInfo& info);

  // The mask of which `counts` are CountLabels; labels that are neither a class
  // nor the ignore label are not counted.
  void Add(const std::array<int64_t, 256>& counts);
  bool HasAllClasses() const;

  int64_t ignore_label;
  int64_t masks = 0;
  int64_t void_masks = 0;  // nothing but the ignore label
  int64_t void_pixels = 0;
  std::vector<int64_t> class_pixels;  // by class id
  std::vector<int64_t> class_masks;   // masks in which the class occurs
};

// One line each, without what the masks are called.
struct LabelFindings {
  // What cannot be meant, as nothing can be learned or scored: every pixel is
  // void; only one of several classes occurs.
  std::vector<std::string> errors;
  // What may be meant: classes that no mask has, while others occur.
  std::vector<std::string> warnings;
};

// `masks`: how to call them in a command that converts them, "roads/masks".
LabelFindings JudgeLabels(const LabelCensus& census, const DatasetInfo& info,
                          const std::string& masks);

// For the start of a training: reads samples, spread evenly over the set and
// the same ones each time, until every class was seen, at most 256 of them and
// 64 megapixels; logs a warning for each finding and says how many masks were
// looked at. The error of a sample that cannot be read (a colour mask, say) is
// returned. Nothing to do without masks.
absl::Status WarnOfTrainingLabels(const Dataset& train);

}  // namespace seg

#endif  // COMMON_DATASETS_LABEL_CENSUS_H_
