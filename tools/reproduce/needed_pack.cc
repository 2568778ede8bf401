#include "tools/reproduce/needed_pack.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"

namespace seg {

absl::StatusOr<std::string> NeededPack(const std::string& paper_dir,
                                       const Experiment& experiment) {
  const std::string path = paper_dir + "/" + experiment.config;
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_ASSIGN_OR_RETURN(const nlohmann::json tree, ParseYaml(text, path));
  std::string pack;
  const nlohmann::json::json_pointer key("/data/pack");
  if (tree.contains(key) && tree[key].is_string()) {
    pack = tree[key].get<std::string>();
  }
  for (const auto* list : {&experiment.overrides, &experiment.eval_overrides}) {
    for (absl::string_view item : *list) {
      if (absl::ConsumePrefix(&item, "data.pack=")) pack = std::string(item);
    }
  }
  if (absl::StartsWith(pack, "synthetic:")) return std::string();
  return pack.substr(pack.find(':') + 1);  // "helen:FOLDER"
}

}  // namespace seg
