#include "common/training/step_error.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/without_exceptions.h"

namespace seg {
namespace {

constexpr char kNoMemory[] =
    "the memory does not suffice for this step; lower train.batch_size, or the "
    "size of the training images (data.augment.crop_height and crop_width, "
    "data.resize_height and resize_width)";

constexpr char kOneValue[] =
    "batch normalisation needs two values a channel or more, and one image "
    "that shrinks to a map of 1 x 1 gives one; raise train.batch_size, or the "
    "size of the training images (data.augment.crop_height and crop_width, "
    "data.resize_height and resize_width)";

}  // namespace

std::string ExplainStepError(const std::string& what) {
  if (SaysMemoryEnded(what)) return kNoMemory;
  if (absl::StrContains(what, "Expected more than 1 value per channel")) {
    return kOneValue;
  }
  // LibTorch adds hints for debugging in further lines.
  const size_t error = what.find("CUDA error: ");
  if (error == std::string::npos) return what;
  return absl::StrCat(what.substr(error, what.find('\n', error) - error),
                      ". The GPU is lost for this process, the last checkpoint "
                      "is whole: start again with --resume");
}

}  // namespace seg
