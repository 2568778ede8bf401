#include "crfgrad/states.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace crfgrad {
namespace {

// Whether the state after t of `last` iterations is drawn: 0, and 1, 2, 3 and 5
// of the first ten; 1, 2 and 5 of later powers of ten.
bool Drawn(size_t t, size_t last) {
  if (t <= 3 || t == last) return true;
  while (t % 10 == 0) t /= 10;
  return t == 1 || t == 2 || t == 5;
}

}  // namespace

absl::Status WriteStates(const std::string& prefix, const Sample& sample,
                         const Palette& palette, c10::Device device,
                         Model* model) {
  const c10::InferenceMode inference;
  const Batch batch = MakeBatch(sample, device);
  std::vector<at::Tensor> states;
  (*model)->Crf((*model)->Unary(batch), batch.images, &states);
  for (size_t t = 0; t < states.size(); ++t) {
    SEG_RETURN_IF_ERROR(
        WriteMask(absl::StrCat(prefix, "_state-", t, ".png"),
                  states[t][0].argmax(0).to(at::kCPU, at::kByte), palette));
  }
  return absl::OkStatus();
}

at::Tensor MixColours(const at::Tensor& q, const Palette& palette) {
  TORCH_CHECK(
      q.dim() == 3 && q.size(0) <= static_cast<int64_t>(palette.size()),
      "MixColours: q must be [L,H,W] with a colour for each label, got ",
      q.sizes(), " and ", palette.size(), " colours");
  at::Tensor colours = at::empty({3, q.size(0)}, at::kDouble);
  for (int64_t l = 0; l < q.size(0); ++l) {
    for (int64_t c = 0; c < 3; ++c) colours[c][l] = palette[l][c];
  }
  return at::matmul(colours, q.to(at::kCPU, at::kDouble).flatten(1))
      .round()
      .clamp(0, 255)
      .to(at::kByte)
      .view({3, q.size(1), q.size(2)});
}

StatePictures::StatePictures(const DatasetInfo& info, int64_t count,
                             System* system)
    : info_(info), count_(count), system_(*system) {
  system_.KeepStates();
}

absl::Status StatePictures::Add(const Scored& image) {
  if (pictures_.size() == count_) return absl::OkStatus();
  const System::States states = system_.states().Row(image.row);
  ReportPicture picture;
  picture.group = "Labellings during inference";
  picture.title = image.sample.id;
  picture.panels = {{"image", image.sample.image},
                    {"truth", ColourMask(image.sample.mask, info_.palette,
                                         info_.ignore_label)}};
  const size_t last = states.feasible.size() - 1;
  for (size_t t = 0; t <= last; ++t) {
    if (!Drawn(t, last)) continue;
    picture.panels.push_back(
        {absl::StrCat("t = ", t),
         MixColours(states.feasible[t][0], info_.palette)});
  }
  pictures_.push_back(std::move(picture));
  return absl::OkStatus();
}

absl::Status StatePictures::Finish(Findings* findings) {
  std::vector<ReportPicture>& all = findings->report.pictures;
  all.insert(all.end(), pictures_.begin(), pictures_.end());
  return absl::OkStatus();
}

}  // namespace crfgrad
}  // namespace seg
