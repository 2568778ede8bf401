// Fuzzes the way of a configuration from text to struct: YAML to a tree, the
// tree printed and read again, and the tree laid over a struct's defaults, as a
// file and as an override.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/config/config.h"

namespace seg {

// Every kind of leaf and list, at the depth of the papers' configurations.
struct FuzzStage {
  int64_t steps = 600;
  double lr = 0.004;
  std::string type = "adam";
  std::vector<double> milestones = {0.5, 0.75};
  std::vector<int64_t> sizes;  // no default element to compare with
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FuzzStage, steps, lr, type,
                                                milestones, sizes)

struct FuzzModel {
  std::string backbone = "tiny";
  bool freeze = false;
  std::vector<FuzzStage> stages = {FuzzStage()};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FuzzModel, backbone, freeze,
                                                stages)

struct FuzzConfig {
  std::string split = "test";
  FuzzModel model;
  FuzzStage train;

  static std::vector<KeyRule> Rules() {
    return {{"train.steps", 1, 1e6},
            {"train.lr", 0, 10},
            {"train.milestones", 0, 1},
            {"train.sizes", 1, 4096},
            OneOf("train.type", {"adam", "sgd"}),
            {"model.stages.steps", 1, 1e6}};
  }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FuzzConfig, split, model, train)

namespace {

using nlohmann::json;

void Require(bool holds) {
  if (!holds) std::abort();
}

// An error says where and what is wrong, in one line.
void RequireError(const absl::Status& status) {
  Require(status.code() == absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  Require(message.rfind("text", 0) == 0 || message.rfind("override", 0) == 0);
  Require(message.find_first_of("\n\r") == std::string::npos);
}

void CheckTree(const std::string& text) {
  const absl::StatusOr<json> tree = ParseYaml(text, "text");
  if (!tree.ok()) return RequireError(tree.status());
  const std::string printed = ToYaml(*tree);
  const absl::StatusOr<json> back = ParseYaml(printed, "printed");
  Require(back.ok());
  // Compared as text: .nan is not equal to itself.
  Require(ToYaml(*back) == printed && back->dump() == tree->dump());
}

void CheckBound(const FuzzConfig& config) {
  Require(config.train.steps >= 1 && config.train.steps <= 1000000);
  Require(config.train.lr >= 0 && config.train.lr <= 10);
  Require(config.train.type == "adam" || config.train.type == "sgd");
  for (const double m : config.train.milestones) Require(m >= 0 && m <= 1);
  for (const int64_t s : config.train.sizes) Require(s >= 1 && s <= 4096);
  for (const FuzzStage& stage : config.model.stages) {
    Require(stage.steps >= 1 && stage.steps <= 1000000);
    Require(!std::isnan(stage.lr));
  }
  // What --print_config shows gives the same configuration again.
  const std::string printed = ToYaml(json(config));
  FuzzConfig back;
  Require(ParseConfig(printed, "printed", {}, &back).ok());
  Require(ToYaml(json(back)) == printed);
}

void CheckConfig(const std::string& text,
                 const std::vector<std::string>& overrides) {
  FuzzConfig config;
  const absl::Status status = ParseConfig(text, "text", overrides, &config);
  if (!status.ok()) return RequireError(status);
  CheckBound(config);
}

}  // namespace
}  // namespace seg

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  seg::CheckTree(text);
  seg::CheckConfig(text, {});
  seg::CheckConfig("", {text});
  return 0;
}
