// Finds the tensors of a PyTorch .pth file without LibTorch: names, shapes,
// and where their bytes lie. The format and what is refused: pth.h.
#ifndef SEGPAPERS_COMMON_IO_PTH_INDEX_H_
#define SEGPAPERS_COMMON_IO_PTH_INDEX_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/pickle_reader.h"

namespace seg {

struct PthFile {
  PthFile() = default;
  PthFile(PthFile&&) = default;  // a copy's views would point elsewhere
  PthFile& operator=(PthFile&&) = default;

  // Bytes of each storage. Those in the input are together no more than the
  // input; the others lie in `inflated`.
  std::vector<absl::string_view> storages;
  // What the input holds deflated; together at most MaxInflated of the input.
  std::deque<std::string> inflated;
  // `storage` indexes `storages`, and all elements lie within it.
  std::vector<PickleTensor> tensors;
  // Indices into `tensors`; several names may have one tensor.
  std::map<std::string, int64_t> names;
};

// Bytes that members of a file of that size may unpack to, all together: 16
// times the file and 64 MiB. (Weights pack by a tenth; a thousandfold is a
// bomb.)
constexpr uint64_t MaxInflated(uint64_t file_size) {
  return 16 * file_size + (uint64_t{64} << 20);
}

// `bytes` must outlive the result.
absl::StatusOr<PthFile> ParsePthFile(absl::string_view bytes);

// By the first bytes: a zip archive, or a pickle of protocol 2 or later.
bool LooksLikePth(absl::string_view bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PTH_INDEX_H_
