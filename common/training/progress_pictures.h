// Pictures that validations draw (Findings::report), kept with the run: how a
// generator learned.
//
//   RUN/pictures/step-N_I.png   the panels of picture I, side by side
#ifndef COMMON_TRAINING_PROGRESS_PICTURES_H_
#define COMMON_TRAINING_PROGRESS_PICTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reporting/report.h"

namespace seg {

// Those of the validation after `step` updates; nothing where there are none.
absl::Status SaveProgressPictures(const std::string& run, int64_t step,
                                  const std::vector<ReportPicture>& pictures);

// The pictures of at most `moments` (>= 2) validations up to `last_step`,
// evenly chosen, the first and the last among them, under the heading "During
// training". Empty for a run without pictures.
absl::StatusOr<std::vector<ReportPicture>> ReadProgressPictures(
    const std::string& run, int64_t moments, int64_t last_step);

}  // namespace seg

#endif  // COMMON_TRAINING_PROGRESS_PICTURES_H_
