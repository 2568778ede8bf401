#include "tools/shootout/shootout.h"

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
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

class Runner {
 public:
  explicit Runner(const ShootoutOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<Shot>> Run() {
    std::vector<Shot> shots;
    for (const Refiner& refiner : options_.refiners) {
      LogInfo(absl::StrCat("[", shots.size() + 1, "/", options_.refiners.size(),
                           "] ", refiner.name));
      SEG_ASSIGN_OR_RETURN(Shot shot, RunOne(refiner));
      shots.push_back(std::move(shot));
    }
    return shots;
  }

 private:
  // A program's run: its seconds and its peak of memory, kept beside `marker`.
  struct Usage {
    double seconds = 0;
    int64_t peak_mib = 0;
  };

  std::string Path(const Refiner& refiner, const std::string& name) const {
    return absl::StrCat(options_.work_dir, "/", refiner.name, "/", name);
  }

  // Runs `argv` unless MARKER.done says that it ended well before, on the same
  // `input`; what is at MARKER goes first.
  absl::StatusOr<Usage> Once(const std::vector<std::string>& argv,
                             const std::string& marker,
                             const std::string& stdout_path,
                             const std::string& input) {
    const std::string done = marker + ".done";
    const std::string command =
        absl::StrCat(absl::StrJoin(argv, "\n"), "\n", input);
    const absl::StatusOr<std::string> text = ReadFile(done);
    if (text.ok()) {
      const json before = json::parse(*text, nullptr, false);
      if (before.is_object() && before.value("command", "") == command) {
        return Usage{before.value("seconds", 0.0),
                     before.value("peak_mib", int64_t{0})};
      }
    }
    if (Interrupted()) return absl::CancelledError("interrupted");
    std::error_code error;
    fs::remove(done, error);
    fs::remove_all(marker, error);
    fs::create_directories(fs::path(marker).parent_path(), error);
    LogInfo(absl::StrJoin(argv, " "));
    Process process;
    process.argv = argv;
    process.stdout_path = stdout_path;
    if (!options_.runfiles_dir.empty()) {
      process.environment["RUNFILES_DIR"] = options_.runfiles_dir;
    }
    SEG_ASSIGN_OR_RETURN(const ProcessEnd end, RunProcess(process));
    if (Interrupted() || end.exit_code == kExitInterrupted) {
      return absl::CancelledError("interrupted");
    }
    if (end.exit_code != 0) {  // what is wrong the program has said
      const std::string message =
          absl::StrCat(argv[0], ": ended with exit code ", end.exit_code);
      return end.exit_code == kExitUsage ? absl::InvalidArgumentError(message)
                                         : absl::InternalError(message);
    }
    const json state = {{"command", command},
                        {"seconds", end.seconds},
                        {"peak_mib", end.peak_mib}};
    SEG_RETURN_IF_ERROR(WriteFileAtomically(done, state.dump(1) + "\n"));
    return Usage{end.seconds, end.peak_mib};
  }

  absl::StatusOr<double> Train(const Refiner& refiner, const std::string& run,
                               const std::vector<std::string>& overrides,
                               int64_t seed) {
    std::vector<std::string> argv = {
        options_.program(refiner.paper, "train"),
        absl::StrCat("--config=", options_.configs_dir, "/", refiner.config),
        absl::StrCat("--seed=", seed), "--work_dir=" + run};
    PassDataRoot(&argv);
    argv.insert(argv.end(), options_.data.begin(), options_.data.end());
    argv.push_back("data.probabilities=" + options_.probabilities);
    argv.push_back(absl::StrCat("train.steps=", options_.steps));
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    SEG_ASSIGN_OR_RETURN(const Usage usage,
                         Once(argv, run, run + ".train.txt", ""));
    return usage.seconds;
  }

  absl::StatusOr<json> Eval(const Refiner& refiner, const std::string& run,
                            const std::string& split, int64_t threads,
                            const std::vector<std::string>& overrides,
                            const std::string& out, int64_t* peak_mib) {
    std::vector<std::string> argv = {options_.program(refiner.paper, "eval"),
                                     "--json", "--checkpoint=" + run,
                                     "--split=" + split,
                                     absl::StrCat("--threads=", threads)};
    PassDataRoot(&argv);
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    SEG_ASSIGN_OR_RETURN(const std::string trained, ReadFile(run + ".done"));
    SEG_ASSIGN_OR_RETURN(const Usage usage, Once(argv, out, out, trained));
    if (peak_mib != nullptr) *peak_mib = usage.peak_mib;
    SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(out));
    json printed = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!printed.is_object()) {
      return absl::InternalError(
          absl::StrCat(out, ": eval --json must print one JSON object, got '",
                       text.substr(0, 80), "'"));
    }
    return printed;
  }

  void PassDataRoot(std::vector<std::string>* argv) const {
    if (options_.data_root.empty()) return;
    argv->push_back("--data_root=" + options_.data_root);
  }

  absl::StatusOr<double> Judged(const json& printed) const {
    const json::json_pointer pointer(options_.metric);
    if (!printed.contains(pointer) || !printed[pointer].is_number()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--metric=", options_.metric, ": eval --json prints no such number"));
    }
    return printed[pointer].get<double>();
  }

  // Tries the grid on val; the shot's chosen setting, and for a learned refiner
  // its run with the first seed.
  absl::Status Choose(Shot* shot, std::string* run) {
    const Refiner& refiner = shot->refiner;
    std::vector<std::vector<std::string>> grid = {{}};
    if (!refiner.grid.empty()) {
      SEG_ASSIGN_OR_RETURN(grid, Grid(refiner.grid));
    }
    double best = -std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < grid.size(); ++k) {
      std::vector<std::string> overrides = refiner.overrides;
      overrides.insert(overrides.end(), grid[k].begin(), grid[k].end());
      std::string tried = *run;
      double seconds = 0;
      if (refiner.learned()) {
        tried = Path(refiner, absl::StrCat("setting-", k));
        SEG_ASSIGN_OR_RETURN(
            seconds, Train(refiner, tried, overrides, options_.seeds[0]));
      }
      double value = 0;
      if (grid.size() > 1) {
        SEG_ASSIGN_OR_RETURN(
            const json printed,
            Eval(refiner, tried, "val", 2,
                 refiner.learned() ? std::vector<std::string>() : overrides,
                 Path(refiner, absl::StrCat("setting-", k, ".val.json")),
                 nullptr));
        SEG_ASSIGN_OR_RETURN(value, Judged(printed));
        shot->settings.push_back({grid[k], value});
        LogInfo(absl::StrCat(absl::StrJoin(grid[k], " "), ": ", value));
      }
      if (k > 0 && value <= best) continue;
      best = value;
      shot->chosen = overrides;
      shot->train_seconds = seconds;
      *run = tried;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Shot> RunOne(const Refiner& refiner) {
    Shot shot;
    shot.refiner = refiner;
    const std::string owner = refiner.learned() ? refiner.name : refiner.run_of;
    const int64_t first = options_.seeds[0];
    std::string run = runs_[{owner, first}];
    SEG_RETURN_IF_ERROR(Choose(&shot, &run));
    for (const int64_t seed : options_.seeds) {
      if (seed != first) {
        run = refiner.learned() ? Path(refiner, absl::StrCat("seed-", seed))
                                : runs_[{owner, seed}];
        if (refiner.learned()) {
          SEG_RETURN_IF_ERROR(Train(refiner, run, shot.chosen, seed).status());
        }
      }
      if (refiner.learned()) runs_[{owner, seed}] = run;
      const auto eval = [&](int64_t threads) {
        return Eval(
            refiner, run, options_.split, threads,
            refiner.learned() ? std::vector<std::string>() : shot.chosen,
            Path(refiner,
                 absl::StrCat("seed-", seed, ".", threads, "-threads.json")),
            seed == first ? &shot.peak_mib : nullptr);
      };
      if (seed == first) {
        SEG_ASSIGN_OR_RETURN(const json alone, eval(1));
        shot.ms_one_thread = alone.value("ms_per_image", std::nan(""));
      }
      SEG_ASSIGN_OR_RETURN(json printed, eval(2));
      if (seed == first) {
        shot.ms_two_threads = printed.value("ms_per_image", std::nan(""));
        if (refiner.learned()) {
          shot.parameters = printed.value("parameters", int64_t{0});
        }
      }
      SEG_RETURN_IF_ERROR(Judged(printed).status());
      shot.eval.push_back(std::move(printed));
    }
    return shot;
  }

  const ShootoutOptions& options_;
  // Of learned refiners, with the chosen setting, by (name, seed).
  std::map<std::pair<std::string, int64_t>, std::string> runs_;
};

}  // namespace

absl::StatusOr<std::vector<Shot>> RunShootout(const ShootoutOptions& options) {
  try {
    json::json_pointer check(options.metric);
  } catch (const json::exception&) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metric: expected a JSON pointer such as "
                     "/metrics/mean_iou, got '",
                     options.metric, "'"));
  }
  return Runner(options).Run();
}

}  // namespace seg
