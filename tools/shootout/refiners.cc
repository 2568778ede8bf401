#include "tools/shootout/refiners.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/io/strict_json.h"
#include "tools/tune/tune.h"

namespace seg {
namespace {

using nlohmann::json;

constexpr char kProbabilities[] = "probabilities";
constexpr char kProposals[] = "proposals";
constexpr char kNameLetters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

void CheckOverrides(const char* key, const std::vector<std::string>& overrides,
                    Fields* fields) {
  for (const std::string& item : overrides) {
    if (item[0] == '-' || item.find('=') == std::string::npos) {
      fields->Fail(key,
                   absl::StrCat("expected key.path=value, got '", item, "'"));
    }
  }
}

absl::StatusOr<Refiner> ParseRefiner(const json& node, std::string where,
                                     const std::vector<Refiner>& earlier) {
  const auto find = [&](const std::string& name) {
    return std::find_if(earlier.begin(), earlier.end(),
                        [&](const Refiner& r) { return r.name == name; });
  };
  Fields fields(node, where);
  Refiner refiner;
  refiner.name = fields.String("name");
  if (fields.ok()) {
    fields.set_where(absl::StrCat(where, " (", refiner.name, ")"));
    if (refiner.name.find_first_not_of(kNameLetters) != std::string::npos) {
      fields.Fail("name", "must consist of a-z 0-9 _ only");
    }
    if (find(refiner.name) != earlier.end()) {
      fields.Fail("name", "occurs twice");
    }
  }
  refiner.title = fields.String("title");
  if (fields.Has("run_of")) {
    refiner.run_of = fields.String("run_of");
    const auto run = find(refiner.run_of);
    if (run == earlier.end() || !run->learned()) {
      fields.Fail("run_of", absl::StrCat("no learned refiner '", refiner.run_of,
                                         "' stands before it"));
    } else {
      refiner.paper = run->paper;
      refiner.proposals = run->proposals;
    }
    for (const char* key : {"paper", "config", "input"}) {
      if (fields.Has(key)) {
        fields.Fail(key, "has no meaning with run_of; remove one of them");
      }
    }
  } else {
    refiner.paper = fields.String("paper");
    refiner.config = fields.String("config");
    if (fields.Has("input")) {
      const std::string input = fields.String("input");
      refiner.proposals = input == kProposals;
      if (!refiner.proposals && input != kProbabilities) {
        fields.Fail("input", absl::StrCat("expected ", kProbabilities, " or ",
                                          kProposals, ", got '", input, "'"));
      }
    }
  }
  if (fields.Has("overrides")) refiner.overrides = fields.Strings("overrides");
  CheckOverrides("overrides", refiner.overrides, &fields);
  if (fields.Has("grid")) {
    refiner.grid = fields.Strings("grid");
    const auto grid = Grid(refiner.grid);
    if (!grid.ok()) fields.Fail("grid", std::string(grid.status().message()));
  }
  SEG_RETURN_IF_ERROR(fields.Finish());
  return refiner;
}

}  // namespace

absl::StatusOr<std::vector<Refiner>> ParseRefiners(const std::string& yaml,
                                                   const std::string& file) {
  SEG_ASSIGN_OR_RETURN(const json tree, ParseYaml(yaml, file));
  Fields fields(tree, file);
  std::vector<Refiner> refiners;
  for (const json& node : fields.List("refiners")) {
    SEG_ASSIGN_OR_RETURN(
        Refiner refiner,
        ParseRefiner(node,
                     absl::StrCat(file, ": refiners[", refiners.size(), "]"),
                     refiners));
    refiners.push_back(std::move(refiner));
  }
  SEG_RETURN_IF_ERROR(fields.Finish());
  if (refiners.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": refiners: must not be empty"));
  }
  return refiners;
}

}  // namespace seg
