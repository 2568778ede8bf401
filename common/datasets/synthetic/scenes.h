// The synthetic data set `scenes`: pictures of animals with legs, lamps on
// poles with wires, and kites on strings, before a textured background with
// clutter. It asks for what structured prediction promises: thin parts that a
// coarse network blurs, occlusion, colours shared by classes and background (a
// colour alone tells no class), yet a coherent colour within each object and a
// visible edge around it, which a colour-aware model can follow.
//
// A scene is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; the mask takes a pixel
// where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_SCENES_H_
#define COMMON_DATASETS_SYNTHETIC_SCENES_H_

#include <cstdint>
#include <memory>

#include "common/datasets/dataset.h"

namespace seg {

struct ScenesOptions {
  int64_t height = 96;  // 16 .. 4096; sizes of things follow the shorter side
  int64_t width = 128;  // 16 .. 4096
  uint64_t seed = 1;
};

// Classes background, animal, lamp, kite. No ignored pixels.
DatasetInfo ScenesInfo();

// The scene of that index, any index >= 0. About 0.7 ms at 128x128.
Sample MakeScene(const ScenesOptions& options, int64_t index);

// Scenes first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeScenesDataset(const ScenesOptions& options,
                                                 int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_SCENES_H_
