// What the stages of an image hand on: regions, and whole labellings.
#ifndef SEGNET_RERANK_REGIONS_REGIONS_H_
#define SEGNET_RERANK_REGIONS_REGIONS_H_

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Candidate regions of one image, as unions of its superpixels. R may be 0.
struct Regions {
  at::Tensor superpixels;  // int32 [H,W], 0 .. S-1 without gaps
  at::Tensor members;      // uint8 [R,S]: 1 where the superpixel is inside
  at::Tensor score;  // float32 [R]: how object-like, any scale, descending
};

// Full labellings of one image, best first. M >= 1.
struct Proposals {
  at::Tensor labels;  // uint8 [M,H,W], class ids; 0 is the background
  // float32 [M]: what their maker thinks of them, higher is better; all 0 where
  // it did not say.
  at::Tensor score;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGIONS_H_
