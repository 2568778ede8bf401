#include "tools/reproduce/record.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/table.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

std::vector<Answer> AnswersOf(const std::vector<ProtocolAnswer>& list) {
  std::vector<Answer> out;
  for (const ProtocolAnswer& item : list) {
    Answer answer;
    answer.row = item.row;
    answer.metric = item.metric;
    answer.scale = item.scale;
    out.push_back(answer);
  }
  return out;
}

}  // namespace

absl::StatusOr<Record> Record::Open(const std::string& paper_dir) {
  Record record;
  record.paper_dir_ = paper_dir;
  SEG_ASSIGN_OR_RETURN(record.ledger_,
                       ReadLedger(paper_dir + "/reported.yaml"));
  SEG_ASSIGN_OR_RETURN(
      record.protocol_,
      ReadProtocol(paper_dir + "/protocol.yaml", record.ledger_));
  SEG_ASSIGN_OR_RETURN(std::vector<ExperimentResult> results,
                       ReadResults(paper_dir + "/results"));
  for (ExperimentResult& result : results) {
    const std::string name = result.experiment;
    record.results_[name] = std::move(result);
  }
  SEG_RETURN_IF_ERROR(record.Refresh());
  return record;
}

const Experiment& Record::Source(const Experiment& e) const {
  return e.eval_of.empty() ? e : *protocol_.Find(e.eval_of);
}

std::string Record::PathOf(const std::string& experiment) const {
  return absl::StrCat(paper_dir_, "/results/", experiment, ".json");
}

absl::StatusOr<std::string> Record::TrainFingerprint(const Experiment& e,
                                                     int64_t seed) const {
  SEG_ASSIGN_OR_RETURN(const std::string config,
                       ReadFile(paper_dir_ + "/" + e.config));
  std::string parent;
  if (!e.init_from.empty()) {
    SEG_ASSIGN_OR_RETURN(parent,
                         TrainFingerprint(*protocol_.Find(e.init_from), seed));
  }
  std::vector<std::string> texts = {config, absl::StrJoin(e.overrides, "\n"),
                                    absl::StrCat(seed), parent};
  for (const auto& [key, names] : e.needs) {
    texts.push_back("needs." + key);
    for (const std::string& name : names) {
      SEG_ASSIGN_OR_RETURN(std::string fingerprint,
                           TrainFingerprint(*protocol_.Find(name), seed));
      texts.push_back(std::move(fingerprint));
    }
  }
  return HashTexts(texts);
}

absl::StatusOr<std::string> Record::EvalFingerprint(const Experiment& e,
                                                    int64_t seed) const {
  SEG_ASSIGN_OR_RETURN(const std::string train,
                       TrainFingerprint(Source(e), seed));
  return HashTexts({train, e.split, absl::StrJoin(e.eval_overrides, "\n")});
}

absl::StatusOr<bool> Record::IsCurrent(const Experiment& e,
                                       const MeasuredRun& run) const {
  SEG_ASSIGN_OR_RETURN(const std::string train,
                       TrainFingerprint(Source(e), run.seed));
  SEG_ASSIGN_OR_RETURN(const std::string eval, EvalFingerprint(e, run.seed));
  return run.train_fingerprint == train && run.eval_fingerprint == eval;
}

absl::StatusOr<bool> Record::Holds(const Experiment& e, int64_t seed) const {
  const auto result = results_.find(e.name);
  if (result == results_.end()) return false;
  for (const MeasuredRun& run : result->second.runs) {
    if (run.seed == seed) return IsCurrent(e, run);
  }
  return false;
}

absl::Status Record::Add(const Experiment& e, MeasuredRun run) {
  SEG_ASSIGN_OR_RETURN(run.train_fingerprint,
                       TrainFingerprint(Source(e), run.seed));
  SEG_ASSIGN_OR_RETURN(run.eval_fingerprint, EvalFingerprint(e, run.seed));
  ExperimentResult result;
  result.experiment = e.name;
  result.data = e.data;
  result.split = e.split;
  result.config = e.config;
  result.overrides = e.overrides;
  result.eval_overrides = e.eval_overrides;
  result.answers = AnswersOf(e.answers);
  result.stands_in_for = AnswersOf(e.stands_in_for);
  // From the file: another program may have added seeds since.
  const std::string path = PathOf(e.name);
  if (fs::exists(path)) {
    SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    SEG_ASSIGN_OR_RETURN(const ExperimentResult old, ParseResult(text, path));
    for (const MeasuredRun& other : old.runs) {
      SEG_ASSIGN_OR_RETURN(const bool current, IsCurrent(e, other));
      if (current && other.seed != run.seed) result.runs.push_back(other);
    }
  }
  result.runs.push_back(std::move(run));
  std::sort(result.runs.begin(), result.runs.end(),
            [](const MeasuredRun& a, const MeasuredRun& b) {
              return a.seed < b.seed;
            });
  SEG_RETURN_IF_ERROR(FillAnswers(&result));
  SEG_RETURN_IF_ERROR(Write(result));
  results_[e.name] = std::move(result);
  return absl::OkStatus();
}

absl::Status Record::Merge(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--merge: ", folder, ": no such folder"));
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<ExperimentResult> others,
                       ReadResults(folder));
  for (const ExperimentResult& other : others) {
    const Experiment* e = protocol_.Find(other.experiment);
    for (const MeasuredRun& run : other.runs) {
      const std::string label =
          absl::StrCat(other.file, ": seed ", run.seed, ": ");
      bool fits = false;
      if (e != nullptr) {
        SEG_ASSIGN_OR_RETURN(fits, IsCurrent(*e, run));
      }
      if (!fits) {
        LogWarning(label + "not what the protocol asks for; left out");
        continue;
      }
      SEG_ASSIGN_OR_RETURN(const bool held, Holds(*e, run.seed));
      if (held) continue;
      SEG_RETURN_IF_ERROR(Add(*e, run));
      LogInfo(label + "added");
    }
  }
  return absl::OkStatus();
}

absl::Status Record::Write(const ExperimentResult& result) const {
  std::error_code error;
  fs::create_directories(paper_dir_ + "/results", error);
  const std::string path = PathOf(result.experiment);
  const std::string text = FormatResult(result);
  absl::StatusOr<std::string> old = ReadFile(path);
  if (old.ok() && *old == text) return absl::OkStatus();
  return WriteFileAtomically(path, text);
}

absl::Status Record::Refresh() {
  for (auto& [name, result] : results_) {
    const Experiment* e = protocol_.Find(name);
    if (e == nullptr) {
      LogWarning(absl::StrCat(paper_dir_, "/results/", name,
                              ".json: protocol.yaml has no such experiment any "
                              "more; delete the file if it is not wanted"));
      continue;
    }
    bool current = true;
    for (const MeasuredRun& run : result.runs) {
      SEG_ASSIGN_OR_RETURN(const bool one, IsCurrent(*e, run));
      current = current && one;
    }
    if (!current) {
      LogWarning(absl::StrCat(name,
                              ": measured with another configuration than the "
                              "protocol has now; to be measured again"));
      continue;
    }
    // Rows may be answered from what was measured already.
    result.answers = AnswersOf(e->answers);
    result.stands_in_for = AnswersOf(e->stands_in_for);
    result.data = e->data;
    SEG_RETURN_IF_ERROR(FillAnswers(&result));
    SEG_RETURN_IF_ERROR(Write(result));
  }
  return absl::OkStatus();
}

absl::Status Record::Render() const {
  std::vector<ExperimentResult> results;
  for (const auto& [name, result] : results_) results.push_back(result);
  SEG_ASSIGN_OR_RETURN(const std::vector<ClaimVerdict> verdicts,
                       ComputeVerdicts(ledger_, results));
  std::error_code error;
  fs::create_directories(paper_dir_ + "/results", error);
  SEG_RETURN_IF_ERROR(WriteFileAtomically(paper_dir_ + "/results/verdicts.json",
                                          FormatVerdicts(verdicts)));
  const PaperRecord paper = {ledger_, protocol_, results, verdicts};
  const std::string text = RenderResults(paper);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  SEG_RETURN_IF_ERROR(WriteFileAtomically(paper_dir_ + "/RESULTS.md", text));
  const std::string path = paper_dir_ + "/README.md";
  SEG_ASSIGN_OR_RETURN(const std::string readme, ReadFile(path));
  absl::StatusOr<std::string> fresh =
      ReplaceTable(readme, RenderSummary(paper));
  if (!fresh.ok()) return WithPath(fresh.status(), path);
  if (*fresh != readme) SEG_RETURN_IF_ERROR(WriteFileAtomically(path, *fresh));
  for (const std::string& problem :
       CheckConsistency(ledger_, results, verdicts)) {
    LogWarning(problem);
  }
  return absl::OkStatus();
}

}  // namespace seg
