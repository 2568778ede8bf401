#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "c10/util/Exception.h"
#include "common/evaluation/measure.h"

namespace seg {

nlohmann::json ToJson(const Findings& findings) {
  nlohmann::json tree = findings.json;
  for (const auto& [name, value] : findings.scalars) {
    nlohmann::json* node = &tree["metrics"];
    for (const std::string& part :
         std::vector<std::string>(absl::StrSplit(name, '/'))) {
      TORCH_CHECK(node->is_null() || node->is_object(), "Findings: ", name,
                  " lies below another metric");
      node = &(*node)[part];
    }
    TORCH_CHECK(node->is_null(), "Findings: ", name,
                " has other metrics below it");
    *node = value;
  }
  return tree;
}

std::string ToText(const Findings& findings) {
  return absl::StrJoin(findings.tables, "\n");
}

}  // namespace seg
