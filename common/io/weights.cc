#include "common/io/weights.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/pth.h"
#include "common/io/pth_index.h"
#include "common/io/safetensors.h"
#include "common/io/safetensors_header.h"

namespace seg {
namespace {

constexpr absl::string_view kWrappers[] = {"module.", "_orig_mod.", "model.",
                                           "net."};

// The wrapper that every name has at `at`, with something behind it.
absl::string_view CommonWrapper(const TensorMap& tensors, size_t at) {
  for (const absl::string_view wrapper : kWrappers) {
    const bool in_all =
        std::all_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
          const absl::string_view rest =
              absl::string_view(tensor.first).substr(at);
          return absl::StartsWith(rest, wrapper) &&
                 rest.size() > wrapper.size();
        });
    if (in_all) return wrapper;
  }
  return "";
}

}  // namespace

std::string StripWrappers(TensorMap* tensors) {
  std::string prefix;
  if (tensors->empty()) return prefix;
  for (absl::string_view next = CommonWrapper(*tensors, 0); !next.empty();
       next = CommonWrapper(*tensors, prefix.size())) {
    absl::StrAppend(&prefix, next);
  }
  if (prefix.empty()) return prefix;
  TensorMap stripped;
  for (auto& [name, tensor] : *tensors) {
    stripped.emplace(name.substr(prefix.size()), std::move(tensor));
  }
  *tensors = std::move(stripped);
  return prefix;
}

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
  const std::string prefix = StripWrappers(&*tensors);
  if (!prefix.empty()) {
    LogInfo(absl::StrCat(path, ": all names begin with '", prefix,
                         "', as Python wrappers write them; read without it"));
  }
  return tensors;
}

}  // namespace seg
