#include "common/io/weights.h"

#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/pth.h"
#include "common/io/pth_index.h"
#include "common/io/safetensors.h"
#include "common/io/safetensors_header.h"

namespace seg {

absl::StatusOr<TensorMap> ReadWeights(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<TensorMap> tensors =
      LooksLikeSafetensors(bytes) ? ParseSafetensors(bytes)
      : LooksLikePth(bytes)
          ? ParsePth(bytes)
          : absl::InvalidArgumentError(
                bytes.empty() ? "empty file, expected weights"
                              : "not a weights file, expected safetensors or "
                                "a PyTorch .pth");
  if (!tensors.ok()) return WithPath(tensors.status(), path);
  return tensors;
}

}  // namespace seg
