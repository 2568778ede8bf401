// Whether the embeddings of the parts and of the background are clusters, in a
// picture and in a number.
#ifndef GANSEG_EMBEDDING_MAP_H_
#define GANSEG_EMBEDDING_MAP_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "common/metrics/tsne.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/generator.h"

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

// Takes the vectors w_k of the K parts and w_bg of the background of each
// picture, (K + 1) x pictures in all (320 pictures in the paper's supplement),
// and finds
//   embedding_silhouette      of their positions by t-SNE, coloured by part
//   embedding_silhouette_raw  of the vectors themselves
// in -1 .. 1 (tsne.h). One picture for the report: the positions. Looks at no
// image of the pass. Takes as long as Tsne: about a minute for 3,000 points on
// two cores.
class TsneMap : public PictureMeasure {
 public:
  // The defaults are the fact sheet's; the paper gives no settings. The
  // perplexity is lowered to a third of the other points where these are few.
  explicit TsneMap(const TsneOptions& options = {});

  void AddPictures(const Generated& batch) override;
  absl::Status Finish(Findings* findings) override;

 private:
  TsneOptions options_;
  std::vector<at::Tensor> embeddings_;  // [n,K+1,D], the background first
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_EMBEDDING_MAP_H_
