// Second-order pooling: a region is described by the second moments of the
// local descriptors inside it, on the log-Euclidean scale.
//
//   moments = PoolSuperpixels(descriptors, regions.superpixels);     // once
//   figure = PoolRegions(moments, regions, Area::kFigure, config);
//   ground = PoolRegions(moments, regions, Area::kGround, config);
//   features = at::cat(NormaliseTypes({figure, ground}, config.power), 1);
//
// Source: Carreira et al. 2012, "Semantic segmentation with second-order
// pooling", Sec. 2 and 3. The eMSIFT descriptors there, which are computed
// anew on each masked region, are left out: they cannot be summed over
// superpixels.
#ifndef SEGNET_RERANK_O2P_SECOND_ORDER_POOLING_H_
#define SEGNET_RERANK_O2P_SECOND_ORDER_POOLING_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/o2p/descriptors.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// How descriptors become one vector. kLogEuclidean: logm(G + regulariser I), G
// the mean of x x^T. kSecondOrder: G. kFirstOrder: the mean of x.
enum class Pooling { kLogEuclidean, kSecondOrder, kFirstOrder };
SEG_DECLARE_ENUM(Pooling)

struct PoolingConfig {
  Pooling pooling = Pooling::kLogEuclidean;
  double regulariser = 1e-3;  // Sec. 2.2
  double power = 0.75;        // Sec. 3; 1: off

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(PoolingConfig)

// What of the image a region's descriptors come from: the region, or the rest
// of the image.
enum class Area { kFigure, kGround };

// Sums over each superpixel of z z^T, z = [descriptor; 1].
struct SuperpixelMoments {
  // float64 [S,K], K = E (E + 1) / 2, E = D + 1: the upper triangles, row by
  // row. The last column is the number of descriptors.
  at::Tensor packed;
  int64_t values = 0;  // D
};

// Sums the descriptors of an image over its superpixels.
//   superpixels: int32 [H,W], 0 .. S-1 (Regions); S = 1 + the largest, or 0 for
//     H W = 0. A descriptor belongs to the superpixel of its centre.
// O(N D^2 + S D^2) time, 4 S D^2 bytes.
SuperpixelMoments PoolSuperpixels(const Descriptors& descriptors,
                                  const at::Tensor& superpixels);

// Bounding boxes of regions: float64 [R,4], x0, y0, width, height in pixels. A
// region without pixels has 0, 0, 1, 1.
at::Tensor BoundingBoxes(const Regions& regions);

// Moments of the enriched descriptors of each region.
struct RegionMoments {
  at::Tensor second;  // float64 [R,F,F], mean of x x^T; F = D + 3
  at::Tensor first;   // float64 [R,F], mean of x
  // float64 [R]: the number of descriptors. Where it is 0, the moments are 0.
  at::Tensor count;
};

// Moments of each region, from those of its superpixels.
//
// A descriptor [a; u, v, s] (a: histogram and colour; u, v: centre; s: side of
// a cell) counts as the enriched vector
//   x = [a; (u-x0)/w, (v-y0)/h, (u-x0)/h, (v-y0)/w, 8 s/h, 8 s/w]
// with (x0, y0, w, h) the region's bounding box (kFigure) or the whole image
// (kGround) [Sec. 3 and the released code]. For a region this is a linear map
// of z = [descriptor; 1]: x = T z. So sum x x^T = T (sum z z^T) T^T, and the
// sums of superpixels do for every region, whatever its box: exact, not an
// approximation, though the features depend on the region. The sums of regions
// are one matrix product, members [R,S] x packed [S,K]; those of the ground are
// the image's less the figure's.
//
// O(R S D^2) multiplications, in float64: differences of large sums lose
// digits, of which float32 has too few.
RegionMoments MomentsOfRegions(const SuperpixelMoments& moments,
                               const Regions& regions, Area area);

// logm(g + regulariser I) of symmetric matrices without negative eigenvalues.
//   g: float32/float64 [R,F,F]; the lower triangle is read.
//   regulariser: > 0; negative eigenvalues, which rounding makes, count as 0.
//   returns: [R,F,F], symmetric.
// By eigen-decomposition; matrices run in parallel. O(R F^3).
at::Tensor SymmetricLog(const at::Tensor& g, double regulariser);

// What describes each region, before normalisation.
//   returns: float32 [R,L]: the upper triangle with the diagonal, row by row,
//     L = F (F + 1) / 2 (no factor sqrt(2) off the diagonal, as in the released
//     code); for kFirstOrder L = F. 0 for a region without descriptors.
at::Tensor PoolRegions(const SuperpixelMoments& moments, const Regions& regions,
                       Area area, const PoolingConfig& config = {});

// Normalises the types of a region's features, which may be of different
// length: each row is brought to norm 1 (rows of 0 stay), divided by the square
// root of the number of types and then raised, sign(v) |v|^power.
//   types: float32 [R,L_t] each.   returns: the same shapes.
std::vector<at::Tensor> NormaliseTypes(const std::vector<at::Tensor>& types,
                                       double power);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_SECOND_ORDER_POOLING_H_
