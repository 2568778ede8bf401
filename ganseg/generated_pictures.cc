#include "ganseg/generated_pictures.h"

#include <utility>

#include "common/base/status_macros.h"
#include "ganseg/draw.h"

namespace seg {
namespace ganseg {

GeneratedPictures::GeneratedPictures(Model model, int64_t samples,
                                     uint64_t seed, PictureMeasures measures)
    : model_(std::move(model)),
      samples_(samples),
      seed_(seed),
      measures_(std::move(measures)) {}

absl::Status GeneratedPictures::Add(const Scored& image) {
  for (const auto& measure : measures_) {
    SEG_RETURN_IF_ERROR(measure->AddImage(image));
  }
  return absl::OkStatus();
}

absl::Status GeneratedPictures::Finish(Findings* findings) {
  DrawSamples(model_, samples_, seed_, [&](const Generated& batch) {
    for (const auto& measure : measures_) measure->AddPictures(batch);
  });
  for (const auto& measure : measures_) {
    SEG_RETURN_IF_ERROR(measure->Finish(findings));
  }
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
