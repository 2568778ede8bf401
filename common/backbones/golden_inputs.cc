#include "common/backbones/golden_inputs.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "c10/util/Exception.h"
#include "common/backbones/state_dict.h"
#include "common/io/file.h"
#include "common/io/safetensors.h"

namespace seg {
namespace {

constexpr char kTestdata[] = "common/backbones/testdata/";

}  // namespace

TensorMap ReadGoldens(const std::string& file) {
  absl::StatusOr<TensorMap> map =
      ReadSafetensors(absl::StrCat(kTestdata, file));
  TORCH_CHECK(map.ok(), map.status().ToString());
  return *std::move(map);
}

std::string ReadGoldenNames(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(absl::StrCat(kTestdata, file));
  TORCH_CHECK(text.ok(), text.status().ToString());
  return *std::move(text);
}

std::string NamesAndShapes(const torch::nn::Module& module) {
  std::string text;
  for (const auto& [name, t] : StateDict(module)) {
    absl::StrAppend(
        &text, name, " [",
        absl::StrJoin(absl::MakeConstSpan(t.sizes().data(), t.sizes().size()),
                      ","),
        "]\n");
  }
  return text;
}

std::string LiteWeightsPath(int64_t variant) {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/efficientnet_lite", variant,
                      "_weights/efficientnet_lite", variant, ".pth");
}

}  // namespace seg
