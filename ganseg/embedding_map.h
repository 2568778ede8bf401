// Whether the embeddings of the parts and of the background are clusters, in a
// picture and in a number.
#ifndef GANSEG_EMBEDDING_MAP_H_
#define GANSEG_EMBEDDING_MAP_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "common/metrics/tsne.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// Points of the plane as a picture: uint8 [3,size,size] on the CPU, white, a
// disc of seven pixels for each point in the colour of its label (VocColour: 0,
// the background, is black). x goes to the right and y up, on one scale; the
// points fill the picture but for a margin of 12 pixels. A later point covers
// an earlier one.
//   positions: [N,2], x and y, finite, any floating type and device.
//   labels: int64 [N], >= 0.
at::Tensor DrawPoints(const at::Tensor& positions, const at::Tensor& labels,
                      int64_t size = 480);

struct TsneMapOptions {
  int64_t samples = 320;  // pictures (He et al. 2022, supplement)
  uint64_t seed = 1;      // of their noise
  // Of the fact sheet; the paper gives none. The perplexity is lowered to a
  // third of the other points where these are few.
  TsneOptions tsne;
};

// Draws pictures as GeneratorScores does, takes the vectors w_k of the K parts
// and w_bg of the background of each, (K + 1) x samples in all, and finds
//   embedding_silhouette      of their positions by t-SNE, coloured by part
//   embedding_silhouette_raw  of the vectors themselves
// in -1 .. 1 (tsne.h). One picture for the report: the positions. Looks at no
// image of the pass. Takes as long as Tsne: about a minute for 3,000 points on
// two cores.
class TsneMap : public Measure {
 public:
  TsneMap(Model model, const TsneMapOptions& options);

  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& /*image*/) override {
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override;

 private:
  Model model_;
  TsneMapOptions options_;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_EMBEDDING_MAP_H_
