// dataset.yaml: parsing and checks.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/printable.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/datasets/pack.h"
#include "common/io/file.h"
#include "common/io/voc_palette.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using Json = nlohmann::json;

// "PATH: KEY: expected ..., got ...".
absl::Status Bad(const std::string& path, const std::string& key,
                 const std::string& expected, const Json& got) {
  std::string text =
      got.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", key, ": expected ", expected, ", got ", text));
}

absl::Status CheckKeys(const std::string& path, const std::string& where,
                       const Json& mapping,
                       const std::vector<std::string>& known) {
  for (const auto& [key, value] : mapping.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", where, "unknown key '", key,
                       "', expected one of ", absl::StrJoin(known, ", ")));
    }
  }
  return absl::OkStatus();
}

bool IsByte(const Json& value) {
  return value.is_number_integer() && value >= 0 && value <= 255;
}

absl::Status ReadClasses(const std::string& path, const Json& classes,
                         DatasetInfo* info) {
  if (!classes.is_array()) {
    return Bad(path, "classes", "a list of {id, name, color}", classes);
  }
  const int64_t n = static_cast<int64_t>(classes.size());
  if (n > 255) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": classes: expected at most 255 (the masks have 8 bits and one ",
        "value is the ignore label), got ", n));
  }
  info->class_names.assign(n, "");
  info->palette.assign(n, {0, 0, 0});
  std::set<std::string> names;
  for (int64_t i = 0; i < n; ++i) {
    const Json& entry = classes[i];
    const std::string where = absl::StrCat("classes[", i, "]");
    if (!entry.is_object()) {
      return Bad(path, where, "{id: N, name: NAME, color: [R, G, B]}", entry);
    }
    SEG_RETURN_IF_ERROR(
        CheckKeys(path, where + ": ", entry, {"id", "name", "color"}));
    const Json id = entry.value("id", Json());
    if (!id.is_number_integer() || id < 0 || id >= n) {
      return Bad(path, where + ".id",
                 absl::StrCat("an id in 0..", n - 1,
                              " (ids count from 0 without gaps)"),
                 id);
    }
    const int64_t c = id.get<int64_t>();
    if (!info->class_names[c].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", where, ".id: ", c, " is already used by '",
                       info->class_names[c], "'"));
    }
    const Json name = entry.value("name", Json());
    if (!name.is_string() || name.get<std::string>().empty()) {
      return Bad(path, where + ".name",
                 "a name (quote it if it reads as a number or true/false)",
                 name);
    }
    if (!names.insert(name.get<std::string>()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", where, ".name: '", name.get<std::string>(),
                       "' is used twice"));
    }
    info->class_names[c] = name.get<std::string>();
    info->palette[c] = VocColour(c);
    if (entry.contains("color")) {
      const Json& colour = entry["color"];
      if (!colour.is_array() || colour.size() != 3 ||
          !std::all_of(colour.begin(), colour.end(), IsByte)) {
        return Bad(path, where + ".color", "[R, G, B], each 0..255", colour);
      }
      for (int k = 0; k < 3; ++k) {
        info->palette[c][k] = colour[k].get<uint8_t>();
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFlipPairs(const std::string& path, const Json& pairs,
                           DatasetInfo* info) {
  if (!pairs.is_array()) {
    return Bad(path, "flip_pairs", "a list of [ID, ID]", pairs);
  }
  std::set<int64_t> seen;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Json& pair = pairs[i];
    const std::string where = absl::StrCat("flip_pairs[", i, "]");
    const auto is_class = [&](const Json& v) {
      return v.is_number_integer() && v >= 0 && v < info->num_classes();
    };
    if (!pair.is_array() || pair.size() != 2 || !is_class(pair[0]) ||
        !is_class(pair[1]) || pair[0] == pair[1]) {
      return Bad(path, where,
                 absl::StrCat("two different class ids in 0..",
                              info->num_classes() - 1),
                 pair);
    }
    for (const Json& id : pair) {
      if (!seen.insert(id.get<int64_t>()).second) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": ", where, ": class ", id.get<int64_t>(),
            " is in two pairs; a class has one mirror image at most"));
      }
    }
    info->flip_pairs.emplace_back(pair[0].get<int64_t>(),
                                  pair[1].get<int64_t>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DatasetInfo> ParsePackInfo(const std::string& text,
                                          const std::string& path,
                                          const std::string& folder_name) {
  SEG_ASSIGN_OR_RETURN(const Json tree, ParseYaml(text, path));
  if (!tree.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": expected a mapping with the keys name, classes, ..."));
  }
  SEG_RETURN_IF_ERROR(CheckKeys(
      path, "", tree,
      {"name", "title", "ignore_label", "has_masks", "flip_pairs", "classes"}));
  DatasetInfo info;
  const Json name = tree.value("name", Json(folder_name));
  if (!name.is_string() || name.get<std::string>().empty()) {
    return Bad(path, "name",
               "a name (quote it if it reads as a number or true/false)", name);
  }
  info.name = name.get<std::string>();
  const Json title = tree.value("title", Json(""));
  if (!title.is_string()) return Bad(path, "title", "one line of text", title);
  info.title = title.get<std::string>();
  const Json has_masks = tree.value("has_masks", Json(true));
  if (!has_masks.is_boolean()) {
    return Bad(path, "has_masks", "true or false", has_masks);
  }
  info.has_masks = has_masks.get<bool>();
  SEG_RETURN_IF_ERROR(
      ReadClasses(path, tree.value("classes", Json::array()), &info));
  if (info.has_masks && info.class_names.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": classes: expected at least one {id, name, color}, got none; list "
        "the classes of the masks, or set has_masks: false"));
  }
  const Json ignore = tree.value("ignore_label", Json(255));
  if (!IsByte(ignore) || ignore < info.num_classes()) {
    return Bad(path, "ignore_label",
               absl::StrCat("a value in ", info.num_classes(),
                            "..255 that is no class id"),
               ignore);
  }
  info.ignore_label = ignore.get<int64_t>();
  SEG_RETURN_IF_ERROR(
      ReadFlipPairs(path, tree.value("flip_pairs", Json::array()), &info));
  return info;
}

absl::StatusOr<DatasetInfo> ReadPackInfo(const std::string& folder) {
  std::filesystem::path root = std::filesystem::path(folder).lexically_normal();
  const std::string path = (root / "dataset.yaml").string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(
        absl::StrCat(path, ": not found; a pack needs it to name its classes"));
  }
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  if (!root.has_filename()) root = root.parent_path();  // "dir/" -> "dir"
  // The name of a folder may be any bytes; that of a data set goes into JSON.
  return ParsePackInfo(text, path, Printable(root.filename().string()));
}

}  // namespace seg
