// The synthetic data set `faces`: heads with the eleven labels of HELEN (Smith
// et al., CVPR 2013): brows and lips of one to three pixels, an inner mouth
// that is there only when the mouth is open, strands of hair before face and
// background. Skin, hair, clothes and background draw from overlapping colours,
// and neck and ears are painted in the colour of the skin but labelled
// background, as in HELEN: a colour alone tells no class, shape and place do.
//
// A face is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; the mask takes a pixel
// whose centre a part covers.
#ifndef COMMON_DATASETS_SYNTHETIC_FACES_H_
#define COMMON_DATASETS_SYNTHETIC_FACES_H_

#include <cstdint>
#include <memory>

#include "common/datasets/dataset.h"

namespace seg {

struct FacesOptions {
  int64_t height = 128;  // 32 .. 4096; a face follows the shorter side
  int64_t width = 128;   // 32 .. 4096
  uint64_t seed = 1;
};

// Classes 0 background, 1 face skin, 2 left brow, 3 right brow, 4 left eye,
// 5 right eye, 6 nose, 7 upper lip, 8 inner mouth, 9 lower lip, 10 hair; left
// and right as the viewer sees them. Brows and eyes are flip pairs. No ignored
// pixels.
DatasetInfo FacesInfo();

// The face of that index, any index >= 0. About 2 ms at 128x128.
Sample MakeFace(const FacesOptions& options, int64_t index);

// Faces first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeFacesDataset(const FacesOptions& options,
                                                int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_FACES_H_
