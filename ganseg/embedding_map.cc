#include "ganseg/embedding_map.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/io/voc_palette.h"

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kMargin = 12;
constexpr int64_t kRadius = 3;

void DrawDisc(at::TensorAccessor<uint8_t, 3> pixels, int64_t row,
              int64_t column, const std::array<uint8_t, 3>& colour) {
  for (int64_t dy = -kRadius; dy <= kRadius; ++dy) {
    for (int64_t dx = -kRadius; dx <= kRadius; ++dx) {
      if (dx * dx + dy * dy > kRadius * kRadius) continue;
      for (int64_t c = 0; c < 3; ++c) {
        pixels[c][row + dy][column + dx] = colour[static_cast<size_t>(c)];
      }
    }
  }
}

}  // namespace

at::Tensor DrawPoints(const at::Tensor& positions, const at::Tensor& labels,
                      int64_t size) {
  TORCH_CHECK(positions.dim() == 2 && positions.size(1) == 2,
              "DrawPoints: positions must be [N,2], got ", positions.sizes());
  TORCH_CHECK(labels.scalar_type() == at::kLong &&
                  labels.sizes() == at::IntArrayRef({positions.size(0)}),
              "DrawPoints: labels must be int64 [", positions.size(0),
              "], got ", labels.scalar_type(), " ", labels.sizes());
  TORCH_CHECK(size > 2 * kMargin, "DrawPoints: size must be larger than ",
              2 * kMargin, ", got ", size);
  at::Tensor picture = at::full({3, size, size}, 255, at::kByte);
  if (positions.size(0) == 0) return picture;
  const at::Tensor own = positions.detach().to(at::kCPU, at::kDouble);
  TORCH_CHECK(own.isfinite().all().item<bool>(),
              "DrawPoints: positions must be finite");
  const at::Tensor least = own.amin(0), largest = own.amax(0);
  // The middle of the points is that of the picture.
  const double range = (largest - least).max().item<double>();
  const double scale =
      range > 0 ? static_cast<double>(size - 1 - 2 * kMargin) / range : 0.0;
  const at::Tensor places =
      ((own - (least + largest) / 2) * scale).contiguous();
  const double middle = static_cast<double>(size - 1) / 2;
  const at::Tensor ids = labels.cpu().contiguous();
  const auto xy = places.accessor<double, 2>();
  const auto id = ids.accessor<int64_t, 1>();
  for (int64_t i = 0; i < xy.size(0); ++i) {
    DrawDisc(picture.accessor<uint8_t, 3>(), std::lround(middle - xy[i][1]),
             std::lround(middle + xy[i][0]), VocColour(id[i]));
  }
  return picture;
}

TsneMap::TsneMap(const TsneOptions& options) : options_(options) {}

void TsneMap::AddPictures(const Generated& batch) {
  embeddings_.push_back(
      at::cat({batch.background_embedding.unsqueeze(1), batch.part_embeddings},
              1)
          .cpu());
}

absl::Status TsneMap::Finish(Findings* findings) {
  const at::Tensor embeddings = at::cat(embeddings_);  // [samples,K+1,D]
  const int64_t samples = embeddings.size(0), kinds = embeddings.size(1);
  const at::Tensor vectors = embeddings.flatten(0, 1);
  const at::Tensor labels = at::arange(kinds).repeat({samples});
  TsneOptions tsne = options_;
  // A point has no more neighbours than there are, and one at least.
  tsne.perplexity = std::clamp(static_cast<double>(vectors.size(0) - 1) / 3,
                               1.0, tsne.perplexity);
  const at::Tensor positions = Tsne(vectors, tsne);
  const double map = Silhouette(positions, labels);
  const double raw = Silhouette(vectors, labels);
  findings->scalars["embedding_silhouette"] = map;
  findings->scalars["embedding_silhouette_raw"] = raw;
  findings->tables.push_back(absl::StrFormat(
      "embeddings of %d parts and the background in %d generated pictures: "
      "silhouette %.3f by t-SNE, %.3f of the vectors",
      kinds - 1, samples, map, raw));
  findings->report.pictures.push_back(
      {"Embeddings",
       absl::StrCat("t-SNE of ", vectors.size(0), " vectors"),
       absl::StrFormat("silhouette %.3f, of the vectors themselves %.3f", map,
                       raw),
       {{"a colour a part, the background black",
         DrawPoints(positions, labels)}}});
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
