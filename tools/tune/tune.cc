#include "tools/tune/tune.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

using nlohmann::json;

constexpr int kExitUsage = 2;
constexpr int kExitSignal = 128;  // and above: a signal ended it

// A file of this process's own in the temporary folder, gone at the end.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(std::filesystem::temp_directory_path() /
              absl::StrCat("segpapers-tune-", getpid(), ".json")) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_;
};

}  // namespace

absl::Status CheckMetric(const std::string& metric) {
  try {
    json::json_pointer check(metric);
  } catch (const json::exception&) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metric: expected a JSON pointer such as "
                     "/metrics/mean_iou, got '",
                     metric, "'"));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> MetricOf(const json& printed,
                                const std::string& metric) {
  const json::json_pointer pointer(metric);
  if (!printed.contains(pointer)) {
    std::vector<std::string> names;
    const json flat = printed.flatten();
    for (auto it = flat.begin(); it != flat.end(); ++it) {
      if (it->is_number()) names.push_back(it.key());
    }
    return absl::InvalidArgumentError(
        absl::StrCat("--metric=", metric, ": eval --json prints no such number",
                     "; it prints ", absl::StrJoin(names, ", ")));
  }
  const json& value = printed[pointer];
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (value.is_number()) return value.get<double>();
  return absl::InvalidArgumentError(absl::StrCat(
      "--metric=", metric, ": expected a number, got ", value.dump()));
}

absl::StatusOr<std::vector<std::vector<std::string>>> Grid(
    const std::vector<std::string>& overrides) {
  std::vector<std::string> keys;  // in the order of their first values
  std::map<std::string, std::vector<std::string>> items;
  for (const std::string& item : overrides) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected key.path=value, got '", item, "'"));
    }
    const std::string key = item.substr(0, equals);
    std::vector<std::string>& list = items[key];
    if (list.empty()) keys.push_back(key);
    if (std::find(list.begin(), list.end(), item) != list.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, ": the value occurs twice: '", item, "'"));
    }
    list.push_back(item);
  }
  std::vector<std::vector<std::string>> grid = {{}};
  for (const std::string& key : keys) {
    std::vector<std::vector<std::string>> longer;
    for (const std::vector<std::string>& setting : grid) {
      for (const std::string& item : items[key]) {
        longer.push_back(setting);
        longer.back().push_back(item);
      }
    }
    grid = std::move(longer);
  }
  if (grid.size() < 2) {
    return absl::InvalidArgumentError(
        "expected a key with two values or more, e.g. "
        "dense_crf.theta_colour={5,10,20}, which the shell turns into three "
        "arguments");
  }
  return grid;
}

absl::StatusOr<std::vector<Setting>> Tune(const TuneOptions& options) {
  SEG_ASSIGN_OR_RETURN(const auto grid, Grid(options.overrides));
  SEG_RETURN_IF_ERROR(CheckMetric(options.metric));
  std::vector<std::string> command = {options.eval_binary, "--json",
                                      "--split=" + options.split};
  const auto pass = [&](const char* flag, const std::string& value) {
    if (!value.empty()) command.push_back(absl::StrCat(flag, "=", value));
  };
  pass("--checkpoint", options.checkpoint);
  pass("--data_root", options.data_root);
  pass("--device", options.device);
  pass("--threads", options.threads == 0 ? "" : absl::StrCat(options.threads));

  const TemporaryFile out;
  std::vector<Setting> settings;
  for (const std::vector<std::string>& overrides : grid) {
    Process process;
    process.argv = command;
    process.argv.insert(process.argv.end(), overrides.begin(), overrides.end());
    process.stdout_path = out.path();
    if (!options.runfiles_dir.empty()) {
      process.environment["RUNFILES_DIR"] = options.runfiles_dir;
    }
    SEG_ASSIGN_OR_RETURN(const ProcessEnd end, RunProcess(process));
    const std::string name = absl::StrJoin(overrides, " ");
    if (end.exit_code >= kExitSignal) {
      return absl::CancelledError(absl::StrCat("interrupted at ", name));
    }
    if (end.exit_code != 0) {
      // What is wrong eval has said on stderr.
      const std::string message =
          absl::StrCat(name, ": eval ended with exit code ", end.exit_code);
      return end.exit_code == kExitUsage ? absl::InvalidArgumentError(message)
                                         : absl::InternalError(message);
    }
    SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(out.path()));
    const json printed = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!printed.is_object()) {
      return absl::InternalError(
          absl::StrCat(name, ": eval --json must print one JSON object, got '",
                       text.substr(0, 80), "'"));
    }
    SEG_ASSIGN_OR_RETURN(const double value, MetricOf(printed, options.metric));
    settings.push_back({overrides, value});
    LogInfo(absl::StrCat("[", settings.size(), "/", grid.size(), "] ", name,
                         ": ", value));
  }
  const auto rank = [&](const Setting& setting) {
    if (std::isnan(setting.value)) {
      return -std::numeric_limits<double>::infinity();
    }
    return options.lowest ? -setting.value : setting.value;
  };
  std::stable_sort(
      settings.begin(), settings.end(),
      [&](const Setting& a, const Setting& b) { return rank(a) < rank(b); });
  return settings;
}

}  // namespace seg
