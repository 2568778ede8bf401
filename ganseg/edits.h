// Edits of generated pictures: what the hierarchy of the generator is for.
#ifndef GANSEG_EDITS_H_
#define GANSEG_EDITS_H_

#include "absl/status/statusor.h"
#include "ganseg/config.h"
#include "ganseg/generator.h"

namespace seg {
namespace ganseg {

// sample.rows x sample.columns codes, row by row, of LibTorch's default
// generator. Without an edit all are independent; with one, a row shows one
// picture that changes from left to right:
//   move_part k   the points of part k move to the right by a quarter of the
//                 picture in all
//   spread f      the points of every part go away from their centre by factors
//                 from 1 to f
//   swap          appearance or background (with its position) are those of
//                 another picture in each column, its own in the first
// InvalidArgument: more than one edit; a part that the generator lacks.
absl::StatusOr<Codes> SampleCodes(const SampleConfig& config,
                                  Generator& generator);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_EDITS_H_
