// Looks at everything in a pack at once: what would stop a training run days
// later, and what the data are like.
#ifndef COMMON_DATASETS_CHECK_H_
#define COMMON_DATASETS_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/datasets/dataset.h"
#include "nlohmann/json.hpp"

namespace seg {

struct SplitSummary {
  std::string name;
  int64_t samples = 0;
};

struct PackReport {
  std::string folder;
  DatasetInfo info;  // what could be read of it
  // One line each: file, reason. A pack without problems can be opened, and
  // every sample of every split can be read.
  std::vector<std::string> problems;
  // What is probably not meant, but can be trained on: classes that no mask, or
  // no mask of the list `train`, has.
  std::vector<std::string> warnings;
  // Worth a look, not wrong: empty lists, unlisted images, masks without a
  // class, equal pictures under two IDs.
  std::vector<std::string> notes;
  std::vector<SplitSummary> splits;
  int64_t images = 0;  // decoded
  int64_t masks = 0;   // decoded, of the image's size
  ImageSize smallest;  // the least height and the least width
  ImageSize median;    // of heights and of widths
  ImageSize largest;
  std::vector<int64_t> class_pixels;  // by class id, over all masks
  std::vector<int64_t> class_images;  // masks in which the class occurs
  int64_t ignore_pixels = 0;
};

// Reads every file of the pack once. Never fails: what goes wrong is a problem
// of the report. Problems: dataset.yaml; lists (IDs that leave the pack, twice
// in a list, in two of train, val, test); images and masks that are missing,
// corrupt, ambiguous or of different sizes; labels outside the classes; masks
// from which nothing can be learned (label_census.h): a list whose masks are
// all void, or only one class of several in `train` (without such a list, in
// all masks), as where 0 and 255 are written for two classes.
PackReport CheckPack(const std::string& folder);

// The report for people: problems, warnings, notes, then tables of splits,
// sizes and class shares. Ends with "OK", "OK, N warnings" or "N problems".
std::string FormatReport(const PackReport& report);

nlohmann::json ReportToJson(const PackReport& report);

}  // namespace seg

#endif  // COMMON_DATASETS_CHECK_H_
