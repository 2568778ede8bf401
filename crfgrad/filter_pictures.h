// The learned filters as pictures: white is zero, vermillion a cost, blue a
// gain, in full colour at the largest absolute value (the scale).
#ifndef CRFGRAD_FILTER_PICTURES_H_
#define CRFGRAD_FILTER_PICTURES_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {
namespace crfgrad {

struct FilterPicture {
  at::Tensor rgb;    // uint8 [3,H,W]
  double scale = 0;  // the largest absolute value
};

// values: [H,W] -> uint8 [3,H,W]. Beyond +-scale it is full colour; with scale
// 0 all is white. NaN is grey: what is no value.
at::Tensor SignedColours(const at::Tensor& values, double scale);

// filters: [L,L,2r+1,2r+1] (CrfFilters::spatial). L x L cells: in row l and
// column m the filter of the labels l and m, what it costs that a pixel has the
// label l and the one at that shift the label m.
FilterPicture SpatialPicture(const at::Tensor& filters);

// filters: [L,L,taps] of five features (CrfFilters::bilateral). L blocks of L
// rows: row m of block l is the filter of the labels l and m. Each column is an
// offset on the lattice, in the order of OffsetsByLength, a gap where the
// length changes.
FilterPicture BilateralPicture(const at::Tensor& filters);

// The taps of a bilateral filter by the length of their offset, as groups of
// one length: the centre alone, then (for 63 taps) 12 offsets of one or five
// unit steps, 30 of two or four, 20 of three. Within a group in the taps'
// order.
std::vector<std::vector<int64_t>> OffsetsByLength(int64_t taps);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_FILTER_PICTURES_H_
