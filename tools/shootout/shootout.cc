#include "tools/shootout/shootout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "tools/shootout/run_once.h"

namespace seg {
namespace {

using nlohmann::json;

class Runner {
 public:
  explicit Runner(const ShootoutOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<Shot>> Run() {
    std::vector<Shot> shots;
    std::vector<Refiner> refiners;
    for (const Refiner& refiner : options_.refiners) {
      if (refiner.proposals && options_.proposals.empty()) continue;
      refiners.push_back(refiner);
    }
    for (const Refiner& refiner : refiners) {
      LogInfo(absl::StrCat("[", shots.size() + 1, "/", refiners.size(), "] ",
                           refiner.name));
      SEG_ASSIGN_OR_RETURN(Shot shot, RunOne(refiner));
      shots.push_back(std::move(shot));
    }
    return shots;
  }

 private:
  std::string Path(const Refiner& refiner, const std::string& name) const {
    return absl::StrCat(options_.work_dir, "/", refiner.name, "/", name);
  }

  absl::StatusOr<double> Train(const Refiner& refiner, const std::string& run,
                               const std::vector<std::string>& overrides,
                               int64_t seed) {
    std::vector<std::string> argv = {
        options_.program(refiner.paper, "train"),
        absl::StrCat("--config=", options_.configs_dir, "/", refiner.config),
        absl::StrCat("--seed=", seed), "--work_dir=" + run};
    PassDataRoot(&argv);
    if (!options_.device.empty()) argv.push_back("--device=" + options_.device);
    argv.insert(argv.end(), options_.data.begin(), options_.data.end());
    if (!refiner.proposals) {
      argv.push_back("data.probabilities=" + options_.probabilities);
    }
    argv.push_back(absl::StrCat("train.steps=", options_.steps));
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    const std::string input = absl::StrCat(
        refiner.proposals ? "" : Contents(options_.probabilities), "\n",
        ReadFile(absl::StrCat(options_.configs_dir, "/", refiner.config))
            .value_or(""));
    SEG_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunOnce(argv, options_.runfiles_dir, run, run + ".train.txt", input));
    return end.seconds;
  }

  absl::StatusOr<json> Eval(const Refiner& refiner, const std::string& run,
                            const std::string& split, int64_t threads,
                            const std::vector<std::string>& overrides,
                            const std::string& out, int64_t* peak_mib) {
    std::vector<std::string> argv = {options_.program(refiner.paper, "eval"),
                                     "--json",
                                     "--checkpoint=" + run,
                                     "--device=cpu",
                                     "--split=" + split,
                                     absl::StrCat("--threads=", threads)};
    PassDataRoot(&argv);
    if (refiner.proposals) {
      argv.push_back("proposals_folder=" + options_.proposals);
    }
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    SEG_ASSIGN_OR_RETURN(const std::string trained, ReadFile(run + ".done"));
    SEG_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunOnce(argv, options_.runfiles_dir, out, out, trained));
    if (peak_mib != nullptr) *peak_mib = end.peak_mib;
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
        SEG_ASSIGN_OR_RETURN(value, MetricOf(printed, options_.metric));
        shot->settings.push_back({grid[k], value});
        LogInfo(absl::StrCat(absl::StrJoin(grid[k], " "), ": ", value));
      }
      if (k > 0 && !(value > best)) continue;
      best = std::isnan(value) ? best : value;
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
      SEG_RETURN_IF_ERROR(MetricOf(printed, options_.metric).status());
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
  SEG_RETURN_IF_ERROR(CheckMetric(options.metric));
  return Runner(options).Run();
}

}  // namespace seg
