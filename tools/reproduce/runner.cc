#include "tools/reproduce/runner.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/io/strict_json.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"
#include "tools/reproduce/environment.h"
#include "tools/reproduce/record.h"
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kExitInterrupted = 130;

// How far the training of one seed has come.
struct TrainState {
  std::string fingerprint, commit = "unknown";
  bool dirty = false, trained = false;
  double seconds = 0;
  int64_t interruptions = 0;
};

absl::StatusOr<TrainState> ParseState(const std::string& text,
                                      const std::string& path) {
  const json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  Fields fields(tree, path);
  TrainState state;
  state.fingerprint = fields.String("fingerprint");
  state.commit = fields.String("commit");
  state.dirty = fields.Bool("dirty");
  state.trained = fields.Bool("trained");
  state.seconds = fields.Number("seconds");
  state.interruptions = fields.Integer("interruptions");
  SEG_RETURN_IF_ERROR(fields.Finish());
  return state;
}

std::string FormatState(const TrainState& state) {
  return json{{"fingerprint", state.fingerprint},
              {"commit", state.commit},
              {"dirty", state.dirty},
              {"trained", state.trained},
              {"seconds", state.seconds},
              {"interruptions", state.interruptions}}
             .dump(1) +
         "\n";
}

class Runner {
 public:
  Runner(const ReproduceOptions& options, Record* record)
      : options_(options), record_(*record) {}

  absl::Status CheckOptions() const;
  absl::Status RunAll();

 private:
  std::string RunPath(const Experiment& e, int64_t seed) const {
    return absl::StrCat(options_.work_dir, "/", e.name, "/seed-", seed);
  }
  absl::StatusOr<TrainState> ReadState(const Experiment& e, int64_t seed) const;
  // The weights of `run`: its best checkpoint, else its last; or empty.
  static std::string Weights(const std::string& run);

  absl::Status RunOne(const Experiment& e, int64_t seed);
  // Trains `e` unless that is done; returns the state of the finished training.
  absl::StatusOr<TrainState> Train(const Experiment& e, int64_t seed);
  // The overrides that name the runs that `e` needs, each trained.
  absl::StatusOr<std::vector<std::string>> Needs(const Experiment& e,
                                                 int64_t seed);
  absl::Status Evaluate(const Experiment& e, int64_t seed,
                        const TrainState& trained);
  // Of results whose weights come from what is trained anew.
  void WarnOfReplacedWeights() const;
  std::vector<std::string> CommonFlags() const;
  absl::StatusOr<ProcessEnd> Launch(const std::vector<std::string>& argv,
                                    const std::string& stdout_path) const;

  const ReproduceOptions options_;
  Record& record_;
  TreeState tree_;
  Hardware hardware_;
  std::set<std::pair<std::string, int64_t>> forced_;  // still to be repeated
};

absl::Status Runner::CheckOptions() const {
  std::vector<std::string> names;
  for (const Experiment& e : record_.protocol().experiments)
    names.push_back(e.name);
  for (const std::string& name : options_.only) {
    if (record_.protocol().Find(name) != nullptr) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--only: ", record_.protocol().paper, " has no experiment '", name,
        "'; expected some of ", absl::StrJoin(names, ", ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<TrainState> Runner::ReadState(const Experiment& e,
                                             int64_t seed) const {
  const std::string path = RunPath(e, seed) + ".state.json";
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return TrainState();
  if (!text.ok()) return text.status();
  return ParseState(*text, path);
}

std::string Runner::Weights(const std::string& run) {
  for (const char* name : {"best", "last"}) {
    const std::string path =
        absl::StrCat(run, "/checkpoints/", name, "/model.safetensors");
    std::error_code error;
    if (fs::exists(path, error)) return path;
  }
  return "";
}

std::vector<std::string> Runner::CommonFlags() const {
  std::vector<std::string> flags;
  if (!options_.data_root.empty()) {
    flags.push_back("--data_root=" + options_.data_root);
  }
  if (!options_.device.empty()) flags.push_back("--device=" + options_.device);
  if (options_.threads != 0) {
    flags.push_back(absl::StrCat("--threads=", options_.threads));
  }
  return flags;
}

absl::StatusOr<ProcessEnd> Runner::Launch(
    const std::vector<std::string>& argv,
    const std::string& stdout_path) const {
  if (Interrupted()) return absl::CancelledError("interrupted");
  Process process;
  process.argv = argv;
  process.stdout_path = stdout_path;
  if (!options_.runfiles_dir.empty()) {
    process.environment["RUNFILES_DIR"] = options_.runfiles_dir;
  }
  LogInfo(absl::StrJoin(argv, " "));
  SEG_ASSIGN_OR_RETURN(const ProcessEnd end, RunProcess(process));
  if (Interrupted() || end.exit_code == kExitInterrupted) {
    return absl::CancelledError("interrupted");
  }
  return end;
}

absl::StatusOr<std::vector<std::string>> Runner::Needs(const Experiment& e,
                                                       int64_t seed) {
  std::vector<std::string> overrides;
  for (const auto& [key, names] : e.needs) {
    std::vector<std::string> runs;  // as YAML reads any path
    for (const std::string& name : names) {
      const Experiment& parent = *record_.protocol().Find(name);
      SEG_RETURN_IF_ERROR(Train(parent, seed).status());
      runs.push_back(absl::StrCat(
          "'", absl::StrReplaceAll(RunPath(parent, seed), {{"'", "''"}}), "'"));
    }
    overrides.push_back(
        absl::StrCat("needs.", key, "=[", absl::StrJoin(runs, ", "), "]"));
  }
  return overrides;
}

absl::StatusOr<TrainState> Runner::Train(const Experiment& e, int64_t seed) {
  const std::string run = RunPath(e, seed);
  const std::string state_path = run + ".state.json";
  std::error_code error;
  fs::create_directories(fs::path(run).parent_path(), error);
  SEG_ASSIGN_OR_RETURN(const std::string fingerprint,
                       record_.TrainFingerprint(e, seed));
  SEG_ASSIGN_OR_RETURN(TrainState state, ReadState(e, seed));
  const bool begun = state.fingerprint == fingerprint;
  if (begun && state.trained && !Weights(run).empty()) return state;

  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> needs, Needs(e, seed));
  std::vector<std::string> argv = {
      options_.train_binary,
      absl::StrCat("--config=", options_.paper_dir, "/", e.config),
      absl::StrCat("--seed=", seed), "--work_dir=" + run};
  if (begun && fs::exists(run + "/checkpoints/last", error)) {
    ++state.interruptions;
    argv.push_back("--resume");
  } else {
    // What lies there has no checkpoint, or belongs to another configuration.
    fs::remove_all(run, error);
    state = TrainState();
    state.fingerprint = fingerprint;
    if (!e.init_from.empty()) {
      const Experiment& parent = *record_.protocol().Find(e.init_from);
      SEG_RETURN_IF_ERROR(Train(parent, seed).status());
      argv.push_back("--init_from=" + Weights(RunPath(parent, seed)));
    }
  }
  state.trained = false;
  state.commit = tree_.commit;
  state.dirty = state.dirty || tree_.dirty();
  SEG_RETURN_IF_ERROR(WriteFileAtomically(state_path, FormatState(state)));

  const std::vector<std::string> common = CommonFlags();
  argv.insert(argv.end(), common.begin(), common.end());
  for (const std::string& item : e.overrides) {
    argv.push_back(absl::StrReplaceAll(
        item,
        {{"{seed}", absl::StrCat(seed)}, {"{work_dir}", options_.work_dir}}));
  }
  argv.insert(argv.end(), needs.begin(), needs.end());
  const std::string out = run + ".train.txt";
  const auto start = absl::Now();
  absl::StatusOr<ProcessEnd> end = Launch(argv, out);
  state.seconds += absl::ToDoubleSeconds(absl::Now() - start);
  state.trained = end.ok() && end->exit_code == 0;
  SEG_RETURN_IF_ERROR(WriteFileAtomically(state_path, FormatState(state)));
  if (!end.ok()) return end.status();
  if (end->exit_code != 0) {
    return absl::InternalError(absl::StrCat(
        e.name, " seed ", seed, ": train ended with exit code ", end->exit_code,
        "; see its messages above or ", run, "/log.txt"));
  }
  if (Weights(run).empty()) {
    return absl::InternalError(
        absl::StrCat(e.name, " seed ", seed, ": train ended well but left no ",
                     run, "/checkpoints/{best,last}/model.safetensors"));
  }
  return state;
}

absl::Status Runner::Evaluate(const Experiment& e, int64_t seed,
                              const TrainState& trained) {
  const std::string out = RunPath(e, seed) + ".eval.json";
  std::error_code error;
  fs::create_directories(fs::path(out).parent_path(), error);
  std::vector<std::string> argv = {
      options_.eval_binary, "--checkpoint=" + RunPath(record_.Source(e), seed),
      "--split=" + e.split, "--json"};
  const std::vector<std::string> common = CommonFlags();
  argv.insert(argv.end(), common.begin(), common.end());
  argv.insert(argv.end(), e.eval_overrides.begin(), e.eval_overrides.end());
  SEG_ASSIGN_OR_RETURN(const ProcessEnd end, Launch(argv, out));
  const std::string who = absl::StrCat(e.name, " seed ", seed, ": eval ");
  if (end.exit_code != 0) {
    return absl::InternalError(
        absl::StrCat(who, "ended with exit code ", end.exit_code));
  }
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(out));
  MeasuredRun run;
  run.eval = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!run.eval.is_object()) {
    return absl::InternalError(
        absl::StrCat(who, "--json must print one JSON object to stdout, got '",
                     text.substr(0, 80), "'"));
  }
  // A result must carry the name of the data that it was measured on.
  const auto data = run.eval.find("data");
  if (data != run.eval.end() && data->is_string() &&
      e.data.find(data->get<std::string>()) == std::string::npos) {
    return absl::InternalError(absl::StrCat(
        who, "measured on ", data->get<std::string>(),
        ", but protocol.yaml says data: ", e.data, "; name the data there"));
  }
  const auto device = run.eval.find("device");
  if (device == run.eval.end() || !device->is_string()) {
    return absl::InternalError(
        absl::StrCat(who, "--json must print the \"device\" that it ran on"));
  }
  SEG_ASSIGN_OR_RETURN(const std::string now,
                       record_.TrainFingerprint(record_.Source(e), seed));
  if (now != trained.fingerprint) {
    return absl::InternalError(absl::StrCat(
        e.name, " seed ", seed,
        ": its configuration was changed while it was measured; the same "
        "command measures it again"));
  }
  run.seed = seed;
  run.train_seconds = e.eval_of.empty() ? trained.seconds : 0;
  run.eval_seconds = end.seconds;
  run.interruptions = trained.interruptions;
  run.commit = tree_.commit;
  run.train_commit = trained.commit;
  run.dirty = trained.dirty || tree_.dirty();
  run.date = UtcNow();
  run.hardware = hardware_;
  run.device = device->get<std::string>();
  return record_.Add(e, std::move(run));
}

absl::Status Runner::RunOne(const Experiment& e, int64_t seed) {
  const std::string pending = RunPath(e, seed) + ".repeat";
  std::error_code error;
  if (forced_.count({e.name, seed}) > 0 && e.eval_of.empty()) {
    // Forget the old training, but only once per request to repeat it.
    absl::StatusOr<std::string> note = ReadFile(pending);
    if (note.ok() && note->empty()) {
      fs::remove_all(RunPath(e, seed), error);
      fs::remove(RunPath(e, seed) + ".state.json", error);
      SEG_RETURN_IF_ERROR(WriteFileAtomically(pending, "begun\n"));
    }
  }
  SEG_ASSIGN_OR_RETURN(const TrainState trained,
                       Train(record_.Source(e), seed));
  SEG_RETURN_IF_ERROR(Evaluate(e, seed, trained));
  fs::remove(pending, error);
  forced_.erase({e.name, seed});
  return absl::OkStatus();
}

void Runner::WarnOfReplacedWeights() const {
  std::set<std::string> replaced;
  for (const auto& [name, seed] : forced_) replaced.insert(name);
  for (const Experiment& e : record_.protocol().experiments) {
    if (replaced.count(e.name) > 0) continue;
    for (const std::string& parent : e.Parents()) {
      if (replaced.count(parent) == 0) continue;
      LogWarning(absl::StrCat(e.name,
                              ": what is on record stands on weights of ",
                              parent, " that are trained anew; repeat it too"));
      replaced.insert(e.name);
      break;
    }
  }
}

absl::Status Runner::RunAll() {
  std::error_code error;
  fs::create_directories(options_.work_dir, error);
  SEG_ASSIGN_OR_RETURN(const FolderLock lock,
                       FolderLock::Take(options_.work_dir, "--work_dir"));
  std::vector<std::string> ignored;
  for (const std::string& path :
       {options_.paper_dir + "/results", options_.paper_dir + "/RESULTS.md",
        options_.paper_dir + "/README.md", options_.work_dir}) {
    const fs::path relative =
        fs::relative(fs::weakly_canonical(path, error),
                     fs::weakly_canonical(options_.repository, error), error);
    if (!relative.empty() && *relative.begin() != "..") {
      ignored.push_back(relative.string());
    }
  }
  SEG_ASSIGN_OR_RETURN(
      tree_, ReadTreeState(options_.repository, ignored, options_.work_dir));
  if (tree_.dirty() && !options_.allow_dirty) {
    std::vector<std::string> some = tree_.changes;
    if (some.size() > 5) some.resize(5), some.push_back("...");
    return absl::FailedPreconditionError(absl::StrCat(
        options_.repository, ": ",
        tree_.commit == "unknown"
            ? "git does not know the commit"
            : absl::StrCat(tree_.changes.size(),
                           " changes that no commit holds (",
                           absl::StrJoin(some, ", "), ")"),
        "; commit them, or give --allow_dirty to have the results marked"));
  }
  SEG_ASSIGN_OR_RETURN(hardware_, ReadHardware(options_.work_dir));

  // Seeds outside, so that every comparison has its pairs early.
  std::vector<std::pair<const Experiment*, int64_t>> plan;
  std::set<int64_t> all_seeds(options_.seeds.begin(), options_.seeds.end());
  for (const Experiment& e : record_.protocol().experiments) {
    if (options_.seeds.empty())
      all_seeds.insert(e.seeds.begin(), e.seeds.end());
  }
  for (int64_t seed : all_seeds) {
    for (const Experiment& e : record_.protocol().experiments) {
      const bool wanted = options_.only.empty() ||
                          std::find(options_.only.begin(), options_.only.end(),
                                    e.name) != options_.only.end();
      const bool has_seed =
          !options_.seeds.empty() ||
          std::find(e.seeds.begin(), e.seeds.end(), seed) != e.seeds.end();
      if (wanted && has_seed) plan.emplace_back(&e, seed);
    }
  }
  // A request to repeat outlives an interruption as an empty file.
  for (const auto& [e, seed] : plan) {
    const std::string pending = RunPath(*e, seed) + ".repeat";
    fs::create_directories(fs::path(pending).parent_path(), error);
    if (options_.force && !fs::exists(pending, error)) {
      SEG_RETURN_IF_ERROR(WriteFileAtomically(pending, ""));
    }
    if (fs::exists(pending, error)) forced_.insert({e->name, seed});
  }

  WarnOfReplacedWeights();

  std::vector<std::string> failures;
  std::set<std::pair<std::string, int64_t>> failed;
  size_t at = 0;
  for (const auto& [e, seed] : plan) {
    ++at;
    const std::string label =
        absl::StrCat("[", at, "/", plan.size(), "] ", e->name, " seed ", seed);
    SEG_ASSIGN_OR_RETURN(const bool finished, record_.Holds(*e, seed));
    if (finished && forced_.count({e->name, seed}) == 0) {
      LogInfo(label + ": done before");
      continue;
    }
    if (e->gpu && !absl::StartsWith(options_.device, "cuda")) {
      LogInfo(label + ": left out, it needs a GPU (--device=cuda:0)");
      continue;
    }
    const std::vector<std::string> parents = e->Parents();
    const auto bad = std::find_if(parents.begin(), parents.end(),
                                  [&](const std::string& parent) {
                                    return failed.count({parent, seed}) > 0;
                                  });
    if (bad != parents.end()) {
      failed.insert({e->name, seed});
      LogWarning(label + ": left out, as " + *bad + " failed");
      continue;
    }
    LogInfo(label);
    const absl::Status status = RunOne(*e, seed);
    if (absl::IsCancelled(status)) {
      return absl::CancelledError(absl::StrCat(
          "interrupted at ", label, "; the same command",
          options_.force ? " without --force" : "", " goes on from there"));
    }
    if (!status.ok()) {
      LogWarning(std::string(status.message()));
      failures.push_back(std::string(status.message()));
      failed.insert({e->name, seed});
    }
  }
  if (failures.empty()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(failures.size(), " of ", plan.size(),
                   " failed: ", absl::StrJoin(failures, "; ")));
}

}  // namespace

absl::Status Reproduce(const ReproduceOptions& options) {
  SEG_ASSIGN_OR_RETURN(Record record, Record::Open(options.paper_dir));
  Runner runner(options, &record);
  SEG_RETURN_IF_ERROR(runner.CheckOptions());
  for (const std::string& folder : options.merge) {
    SEG_RETURN_IF_ERROR(record.Merge(folder));
  }
  absl::Status run;
  if (!options.render_only) {
    run = runner.RunAll();
    if (absl::IsFailedPrecondition(run)) return run;  // nothing was begun
  }
  const absl::Status render = record.Render();
  return run.ok() ? render : run;
}

}  // namespace seg
