// Proposals that another system made.
#ifndef SEGNET_RERANK_READY_PROPOSALS_H_
#define SEGNET_RERANK_READY_PROPOSALS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// The label maps FOLDER/ID/*.png (class ids, greyscale or palette), in the
// order of their names: the first is the other system's best. Their score is
// 0.
//   height, width: of the image; classes: that the network knows
// Errors name the file or folder: no such folder, no proposal in it, another
// size, a class beyond the network's.
absl::StatusOr<Proposals> ReadReadyProposals(const std::string& folder,
                                             const std::string& id,
                                             int64_t height, int64_t width,
                                             int64_t classes);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_READY_PROPOSALS_H_
