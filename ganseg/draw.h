// Pictures for a measure.
#ifndef GANSEG_DRAW_H_
#define GANSEG_DRAW_H_

#include <cstdint>
#include <functional>

#include "ganseg/generator.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// Calls `use` with `samples` pictures in batches of at most 32, without
// gradients, by the model's sampler in the mode it is in. The same pictures for
// the same seed; the state of LibTorch's default generators is put back
// afterwards.
void DrawSamples(Model& model, int64_t samples, uint64_t seed,
                 const std::function<void(const Generated& batch)>& use);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_DRAW_H_
