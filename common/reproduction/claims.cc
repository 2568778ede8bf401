#include "common/reproduction/claims.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/strict_json.h"

namespace seg {
namespace {

using nlohmann::json;

constexpr size_t kSeedsOfAVerdict = 3;  // of ComparePaired

using ValueOfSeed = std::map<int64_t, double>;

// Where a row was measured on some data.
struct Measured {
  const ExperimentResult* result = nullptr;
  const Answer* answer = nullptr;
};

// All measurements of a row, by the data they were taken on.
std::map<std::string, Measured> MeasurementsOf(
    const std::string& row, const std::vector<ExperimentResult>& results) {
  std::map<std::string, Measured> out;
  for (const ExperimentResult& result : results) {
    for (const auto* list : {&result.answers, &result.stands_in_for}) {
      for (const Answer& answer : *list) {
        if (answer.row == row && !answer.values.empty()) {
          out.emplace(result.data, Measured{&result, &answer});
        }
      }
    }
  }
  return out;
}

// The named experiments, by the data they were measured on.
std::map<std::string, Measured> ExperimentsOf(
    const std::vector<std::string>& names,
    const std::vector<ExperimentResult>& results) {
  std::map<std::string, Measured> out;
  for (const std::string& name : names) {
    for (const ExperimentResult& result : results) {
      if (result.experiment == name) {
        out.emplace(result.data, Measured{&result, nullptr});
      }
    }
  }
  return out;
}

// The values by seed: the row's own metric, or another number of the runs.
// None where no run has that number.
absl::StatusOr<ValueOfSeed> Values(const Measured& measured,
                                   const std::string& metric,
                                   const std::string& claim) {
  ValueOfSeed out;
  absl::Status missing;
  const std::vector<MeasuredRun>& runs = measured.result->runs;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (metric.empty()) {
      out[runs[i].seed] = measured.answer->values[i];
      continue;
    }
    absl::StatusOr<double> value = EvalNumber(runs[i], metric);
    if (value.ok()) {
      out[runs[i].seed] = *value;
      continue;
    }
    const absl::Status error(
        value.status().code(),
        absl::StrCat("claim ", claim, ": ", measured.result->experiment, ": ",
                     value.status().message()));
    if (!absl::IsNotFound(error)) return error;
    missing = error;
  }
  if (!missing.ok() && !out.empty()) return missing;
  return out;
}

// What speaks for a claim, by data and seed; positive in its favour.
using Differences = std::map<std::string, ValueOfSeed>;

// factor * (better - worse), where both were measured.
absl::StatusOr<Differences> Subtract(
    const std::map<std::string, Measured>& better,
    const std::map<std::string, Measured>& worse, double factor,
    const std::string& metric, const std::string& claim) {
  Differences out;
  for (const auto& [data, measured] : better) {
    SEG_ASSIGN_OR_RETURN(const ValueOfSeed values,
                         Values(measured, metric, claim));
    const auto other = worse.find(data);
    if (other == worse.end()) continue;
    SEG_ASSIGN_OR_RETURN(const ValueOfSeed others,
                         Values(other->second, metric, claim));
    for (const auto& [seed, value] : values) {
      const auto it = others.find(seed);
      if (it != others.end()) out[data][seed] = factor * (value - it->second);
    }
  }
  return out;
}

// The differences of a claim, by what it compares.
struct Compare {
  const std::string& claim;
  const std::vector<ExperimentResult>& results;

  absl::StatusOr<Differences> operator()(const std::monostate&) const {
    return Differences();
  }
  absl::StatusOr<Differences> operator()(const RowPair& pair) const {
    return Subtract(MeasurementsOf(pair.better, results),
                    MeasurementsOf(pair.worse, results),
                    pair.higher_is_better ? 1 : -1, pair.metric, claim);
  }
  absl::StatusOr<Differences> operator()(const ExperimentPair& pair) const {
    return Subtract(ExperimentsOf({pair.better}, results),
                    ExperimentsOf({pair.worse}, results),
                    pair.higher_is_better ? pair.scale : -pair.scale,
                    pair.metric, claim);
  }
  absl::StatusOr<Differences> operator()(const Statistic& statistic) const {
    const std::map<std::string, Measured> measurements =
        statistic.row.empty() ? ExperimentsOf(statistic.experiments, results)
                              : MeasurementsOf(statistic.row, results);
    Differences out;
    for (const auto& [data, measured] : measurements) {
      SEG_ASSIGN_OR_RETURN(const ValueOfSeed values,
                           Values(measured, statistic.metric, claim));
      for (const auto& [seed, value] : values) {
        const double difference = value - statistic.bound;
        out[data][seed] = statistic.above ? difference : -difference;
      }
    }
    return out;
  }
};

const ClaimVerdict* Find(const std::vector<ClaimVerdict>& verdicts,
                         const std::string& claim, const std::string& data) {
  for (const ClaimVerdict& v : verdicts) {
    if (v.claim == claim && v.data == data) return &v;
  }
  return nullptr;
}

bool Close(double a, double b) {
  return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
}

void CheckRows(const Ledger& ledger,
               const std::vector<ExperimentResult>& results,
               std::vector<std::string>* problems) {
  std::map<std::string, std::string> answered;           // row: experiment
  std::set<std::pair<std::string, std::string>> stands;  // row, data
  for (const ExperimentResult& result : results) {
    const std::string where = absl::StrCat("results/", result.experiment);
    ExperimentResult again = result;
    if (absl::Status s = FillAnswers(&again); !s.ok()) {
      problems->push_back(absl::StrCat(where, ": ", s.message()));
      continue;
    }
    const auto check = [&](const Answer& recorded, const Answer& fresh) {
      if (ledger.FindRow(recorded.row) == nullptr) {
        problems->push_back(absl::StrCat(
            where, ": answers the unknown row ", recorded.row, "; add it to ",
            ledger.file, " or run //tools:reproduce again"));
      }
      bool same = Close(recorded.mean, fresh.mean) &&
                  Close(recorded.sd, fresh.sd) &&
                  recorded.values.size() == fresh.values.size();
      for (size_t i = 0; same && i < fresh.values.size(); ++i) {
        same = Close(recorded.values[i], fresh.values[i]);
      }
      if (!same) {
        problems->push_back(absl::StrCat(
            where, ": row ", recorded.row,
            ": values, mean or sd do not follow from the runs; results are "
            "written by //tools:reproduce only"));
      }
      if (!stands.insert({recorded.row, result.data}).second) {
        problems->push_back(absl::StrCat(where, ": row ", recorded.row,
                                         " has two results on ", result.data,
                                         "; keep one in protocol.yaml"));
      }
    };
    for (size_t i = 0; i < result.answers.size(); ++i) {
      const Answer& answer = result.answers[i];
      check(answer, again.answers[i]);
      if (answer.values.empty()) continue;
      auto [it, is_new] = answered.emplace(answer.row, result.experiment);
      if (!is_new) {
        problems->push_back(absl::StrCat("row ", answer.row, ": answered by ",
                                         it->second, " and ", result.experiment,
                                         "; keep one"));
      }
    }
    for (size_t i = 0; i < result.stands_in_for.size(); ++i) {
      check(result.stands_in_for[i], again.stands_in_for[i]);
    }
  }
  for (const ReportedRow& row : ledger.rows) {
    const bool has_result = answered.count(row.id) > 0;
    if (!has_result && row.reason.empty()) {
      problems->push_back(absl::StrCat(
          ledger.file, ": row ", row.id,
          " has neither result nor reason; measure it with //tools:reproduce "
          "or state why not"));
    }
    if (has_result && !row.reason.empty()) {
      problems->push_back(absl::StrCat(ledger.file, ": row ", row.id,
                                       " has a result (", answered[row.id],
                                       ") and a reason for none; drop the "
                                       "reason"));
    }
  }
}

void CheckClaim(const Ledger& ledger, const Claim& claim,
                const std::vector<ClaimVerdict>& computed,
                std::vector<std::string>* problems) {
  const std::string where = absl::StrCat(ledger.file, ": claim ", claim.id);
  const RowPair* pair = std::get_if<RowPair>(&claim.comparison);
  if (pair != nullptr && pair->metric.empty()) {
    const ReportedRow* better = ledger.FindRow(pair->better);
    const ReportedRow* worse = ledger.FindRow(pair->worse);
    const double gain =
        (better->value - worse->value) * (better->higher_is_better ? 1 : -1);
    if (!(gain > 0)) {
      problems->push_back(absl::StrCat(where, ": the reported numbers of ",
                                       pair->better, " and ", pair->worse,
                                       " do not say so; swap them"));
    }
  }
  bool any = !claim.reason.empty() || !claim.verdicts.empty();
  for (const ClaimVerdict& v : computed) {
    if (v.claim != claim.id) continue;
    any = true;
    const bool explained =
        std::any_of(claim.verdicts.begin(), claim.verdicts.end(),
                    [&](const RecordedVerdict& r) {
                      return r.data == v.data && !r.tried.empty();
                    });
    if (v.statistics.verdict == Verdict::kNotHeld && !explained) {
      problems->push_back(absl::StrCat(
          where, ": not held on ", v.data,
          "; record the verdict there with `tried`: what was tried"));
    }
  }
  for (const RecordedVerdict& r : claim.verdicts) {
    if (r.verdict == Verdict::kNotHeld && r.tried.empty()) {
      problems->push_back(absl::StrCat(where, ": verdict 'not held' on ",
                                       r.data, " says not what was tried"));
    }
    if (r.measured_by_test) continue;
    const ClaimVerdict* v = Find(computed, claim.id, r.data);
    if (v == nullptr) {
      problems->push_back(absl::StrCat(
          where, ": verdict on ", r.data,
          " has no results behind it; run "
          "//tools:reproduce, or say measured_by: reproduction_test"));
    } else if (v->statistics.verdict != r.verdict) {
      problems->push_back(absl::StrCat(
          where, ": recorded as ", ToString(r.verdict), " on ", r.data,
          ", but the results say ", ToString(v->statistics.verdict)));
    }
  }
  if (!any) {
    problems->push_back(absl::StrCat(
        where, " has neither verdict nor reason; measure it or state why not"));
  }
}

}  // namespace

absl::StatusOr<std::vector<ClaimVerdict>> ComputeVerdicts(
    const Ledger& ledger, const std::vector<ExperimentResult>& results) {
  std::vector<ClaimVerdict> verdicts;
  for (const Claim& claim : ledger.claims) {
    SEG_ASSIGN_OR_RETURN(
        const Differences differences,
        std::visit(Compare{claim.id, results}, claim.comparison));
    for (const auto& [data, by_seed] : differences) {
      ClaimVerdict verdict;
      verdict.claim = claim.id;
      verdict.data = data;
      std::vector<double> values;
      for (const auto& [seed, difference] : by_seed) {
        verdict.seeds.push_back(seed);
        values.push_back(difference);
      }
      verdict.statistics = JudgeDifferences(values);
      verdicts.push_back(std::move(verdict));
    }
  }
  return verdicts;
}

std::string FormatVerdicts(const std::vector<ClaimVerdict>& verdicts) {
  json list = json::array();
  for (const ClaimVerdict& v : verdicts) {
    list.push_back(json{{"claim", v.claim},
                        {"data", v.data},
                        {"seeds", v.seeds},
                        {"differences", v.statistics.differences},
                        {"mean", v.statistics.mean},
                        {"sd", v.statistics.sd},
                        {"verdict", ToString(v.statistics.verdict)}});
  }
  return json{{"verdicts", list}}.dump(1) + "\n";
}

absl::StatusOr<std::vector<ClaimVerdict>> ParseVerdicts(
    const std::string& text, const std::string& file) {
  const json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (tree.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file,
        ": expected JSON, got a syntax error; run //tools:reproduce "
        "with --render_only to write it anew"));
  }
  Fields fields(tree, file);
  const json& list = fields.List("verdicts");
  std::vector<ClaimVerdict> verdicts;
  for (size_t i = 0; i < list.size(); ++i) {
    Fields item(list[i], absl::StrCat(file, ": verdicts[", i, "]"));
    ClaimVerdict v;
    v.claim = item.String("claim");
    v.data = item.String("data");
    v.seeds = item.Integers("seeds");
    v.statistics.differences = item.Numbers("differences");
    v.statistics.mean = item.Number("mean");
    v.statistics.sd = item.Number("sd");
    const std::string name = item.String("verdict");
    SEG_RETURN_IF_ERROR(item.Finish());
    SEG_ASSIGN_OR_RETURN(v.statistics.verdict, ParseVerdict(name));
    verdicts.push_back(std::move(v));
  }
  SEG_RETURN_IF_ERROR(fields.Finish());
  return verdicts;
}

absl::StatusOr<std::vector<ClaimVerdict>> ReadVerdicts(
    const std::string& folder) {
  const std::string path = folder + "/verdicts.json";
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return std::vector<ClaimVerdict>();
  if (!text.ok()) return text.status();
  return ParseVerdicts(*text, path);
}

std::vector<std::string> CheckConsistency(
    const Ledger& ledger, const std::vector<ExperimentResult>& results,
    const std::vector<ClaimVerdict>& verdicts) {
  std::vector<std::string> problems;
  CheckRows(ledger, results, &problems);
  absl::StatusOr<std::vector<ClaimVerdict>> computed =
      ComputeVerdicts(ledger, results);
  if (!computed.ok()) {
    problems.push_back(std::string(computed.status().message()));
    return problems;
  }
  for (const Claim& claim : ledger.claims) {
    CheckClaim(ledger, claim, *computed, &problems);
  }
  const std::string remedy = "; run //tools:reproduce with --render_only";
  for (const ClaimVerdict& v : verdicts) {
    const ClaimVerdict* now = Find(*computed, v.claim, v.data);
    if (now == nullptr) {
      problems.push_back(absl::StrCat("results/verdicts: ", v.claim, " on ",
                                      v.data, " has no results behind it",
                                      remedy));
    } else if (now->statistics.verdict != v.statistics.verdict ||
               now->seeds != v.seeds ||
               !Close(now->statistics.mean, v.statistics.mean) ||
               !Close(now->statistics.sd, v.statistics.sd)) {
      problems.push_back(absl::StrCat(
          "results/verdicts: ", v.claim, " on ", v.data, ": recorded as ",
          ToString(v.statistics.verdict), ", but the results say ",
          ToString(now->statistics.verdict), " (or other seeds or differences)",
          remedy));
    }
  }
  for (const ClaimVerdict& v : *computed) {
    if (Find(verdicts, v.claim, v.data) == nullptr) {
      problems.push_back(absl::StrCat("results/verdicts: ", v.claim, " on ",
                                      v.data, " is missing", remedy));
    }
  }
  return problems;
}

absl::Status CheckNewVerdict(const Ledger& ledger,
                             const std::vector<ClaimVerdict>& verdicts,
                             const std::string& claim, const std::string& data,
                             const PairedResult& now) {
  const Claim* known = ledger.FindClaim(claim);
  if (known == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(ledger.file, ": no claim has the id ", claim));
  }
  const std::vector<double>& differences = now.differences;
  if (differences.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "claim ", claim, " on ", data, ": expected a difference, got none"));
  }
  const bool has_verdict = differences.size() >= kSeedsOfAVerdict;
  const auto contradicts = [&](Verdict recorded) {
    if (recorded == Verdict::kUndecided) return false;
    if (has_verdict) {
      return now.verdict != Verdict::kUndecided && now.verdict != recorded;
    }
    const bool held = recorded == Verdict::kHeld;
    return std::none_of(differences.begin(), differences.end(),
                        [held](double d) { return held ? d > 0 : d < 0; });
  };
  const auto error = [&](Verdict recorded) {
    return absl::FailedPreconditionError(absl::StrCat(
        "claim ", claim, " on ", data, ": on record as ", ToString(recorded),
        ", measured now ",
        has_verdict ? absl::StrCat("as ", ToString(now.verdict)) : "against it",
        " (differences ", absl::StrJoin(differences, ", "), ")"));
  };
  bool found = false;
  for (const RecordedVerdict& r : known->verdicts) {
    if (r.data != data) continue;
    found = true;
    if (contradicts(r.verdict)) return error(r.verdict);
  }
  if (const ClaimVerdict* v = Find(verdicts, claim, data)) {
    found = true;
    if (contradicts(v->statistics.verdict)) return error(v->statistics.verdict);
  }
  if (!found) {
    return absl::NotFoundError(absl::StrCat(
        "claim ", claim, " on ", data, ": no verdict on record; measured now ",
        ToString(now.verdict), ": record it in ", ledger.file));
  }
  return absl::OkStatus();
}

absl::Status CheckNewVerdict(const std::string& paper_dir,
                             const std::string& claim, const std::string& data,
                             const std::vector<double>& differences) {
  SEG_ASSIGN_OR_RETURN(const Ledger ledger,
                       ReadLedger(paper_dir + "/reported.yaml"));
  SEG_ASSIGN_OR_RETURN(const std::vector<ClaimVerdict> verdicts,
                       ReadVerdicts(paper_dir + "/results"));
  return CheckNewVerdict(ledger, verdicts, claim, data,
                         JudgeDifferences(differences));
}

}  // namespace seg
