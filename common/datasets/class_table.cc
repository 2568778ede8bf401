#include "common/datasets/class_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/io/file.h"
#include "common/io/strict_json.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

constexpr char kIgnore[] = "ignore";
constexpr uint8_t kIgnored = 255;

// Gives `names` the new id; the first name that has one already fails `key`.
void Assign(const std::vector<std::string>& names, uint8_t id,
            const std::string& key, Fields* fields, ClassTable* table) {
  for (const std::string& name : names) {
    if (!table->ids.emplace(name, id).second) {
      fields->Fail(key, absl::StrCat("'", name, "' is in the table twice"));
    }
  }
}

absl::Status ReadClass(const nlohmann::json& node, const std::string& where,
                       ClassTable* table) {
  DatasetInfo& info = table->info;
  Fields fields(node, where);
  const std::string name = fields.String("name");
  const std::vector<int64_t> colour = fields.Integers("color");
  const auto in_range = [](int64_t c) { return c >= 0 && c <= 255; };
  if (colour.size() != 3 ||
      !std::all_of(colour.begin(), colour.end(), in_range)) {
    fields.Fail("color", "expected [R, G, B], each 0..255");
  }
  const auto& there = info.class_names;
  if (name == kIgnore ||
      std::find(there.begin(), there.end(), name) != there.end()) {
    fields.Fail("name", absl::StrCat("'", name, "' is taken"));
  }
  Assign(fields.Strings("of"), static_cast<uint8_t>(there.size()), "of",
         &fields, table);
  SEG_RETURN_IF_ERROR(fields.Finish());
  info.class_names.push_back(name);
  info.palette.push_back({static_cast<uint8_t>(colour[0]),
                          static_cast<uint8_t>(colour[1]),
                          static_cast<uint8_t>(colour[2])});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClassTable> ReadClassTable(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_ASSIGN_OR_RETURN(const nlohmann::json tree, ParseYaml(text, path));
  ClassTable table;
  table.path = path;
  Fields fields(tree, path);
  table.info.title = fields.String("title");
  const std::string others = fields.String("others");
  Assign(fields.Strings(kIgnore), kIgnored, kIgnore, &fields, &table);
  const nlohmann::json& classes = fields.List("classes");
  SEG_RETURN_IF_ERROR(fields.Finish());
  if (classes.empty() || classes.size() > 255) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": classes: expected 1 to 255, got ", classes.size()));
  }
  for (size_t c = 0; c < classes.size(); ++c) {
    SEG_RETURN_IF_ERROR(ReadClass(
        classes[c], absl::StrCat(path, ": classes[", c, "]"), &table));
  }
  const std::vector<std::string>& names = table.info.class_names;
  const auto it = std::find(names.begin(), names.end(), others);
  if (it != names.end()) {
    table.others = static_cast<uint8_t>(it - names.begin());
  } else if (others != kIgnore) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": others: '", others, "', expected ",
                     absl::StrJoin(names, ", "), " or ", kIgnore));
  }
  return table;
}

std::vector<uint8_t> NewIds(const ClassTable& table,
                            const std::vector<std::string>& names) {
  std::vector<uint8_t> ids;
  for (const std::string& name : names) {
    const auto it = table.ids.find(name);
    ids.push_back(it == table.ids.end() ? table.others : it->second);
  }
  const std::set<std::string> there(names.begin(), names.end());
  std::vector<std::string> unknown;
  for (const auto& [name, id] : table.ids) {
    if (there.count(name) == 0) unknown.push_back(name);
  }
  if (!unknown.empty()) {
    constexpr size_t kShown = 3;
    const size_t shown = std::min(kShown, unknown.size());
    LogWarning(absl::StrCat(
        table.path, ": of the names in the table, the data do not have ",
        absl::StrJoin(unknown.begin(), unknown.begin() + shown, ", "),
        shown < unknown.size()
            ? absl::StrCat(" and ", unknown.size() - shown, " more")
            : ""));
  }
  return ids;
}

}  // namespace seg
