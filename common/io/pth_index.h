// Finds the tensors of a PyTorch .pth file without LibTorch: names, shapes,
// and where their bytes lie. The format and what is refused: pth.h.
#ifndef SEGPAPERS_COMMON_IO_PTH_INDEX_H_
#define SEGPAPERS_COMMON_IO_PTH_INDEX_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/pickle_reader.h"

namespace seg {

struct PthFile {
  // Bytes of each storage, in the input; together no more than the input.
  std::vector<absl::string_view> storages;
  // `storage` indexes `storages`, and all elements lie within it.
  std::vector<PickleTensor> tensors;
  // Indices into `tensors`; several names may have one tensor.
  std::map<std::string, int64_t> names;
};

// `bytes` must outlive the result.
absl::StatusOr<PthFile> ParsePthFile(absl::string_view bytes);

// By the first bytes: a zip archive, or a pickle of protocol 2 or later.
bool LooksLikePth(absl::string_view bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PTH_INDEX_H_
