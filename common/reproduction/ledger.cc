#include "common/reproduction/ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/nearest.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/io/file.h"
#include "common/io/strict_json.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using nlohmann::json;

// Digits after the point of the shortest text that gives the same double.
int Decimals(const json& value) {
  if (!value.is_number_float()) return 0;
  const std::string text = value.dump();
  const size_t exponent = std::min(text.find('e'), text.size());
  const size_t point = std::min(text.find('.'), exponent);
  const int digits =
      exponent > point ? static_cast<int>(exponent - point - 1) : 0;
  if (exponent == text.size()) return digits;
  return std::max(0, digits - std::atoi(text.c_str() + exponent + 1));
}

bool IsId(const std::string& id) {
  return !id.empty() &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_/.-") ==
             std::string::npos;
}

std::string ReadId(Fields* fields, std::set<std::string>* seen) {
  const std::string id = fields->String("id");
  if (!fields->ok()) return id;
  fields->set_where(absl::StrCat(fields->where(), " (", id, ")"));
  if (!IsId(id)) {
    fields->Fail(
        "id", absl::StrCat("'", id, "' must consist of a-z 0-9 _ / . - only"));
  }
  if (!seen->insert(id).second) {
    fields->Fail("id", absl::StrCat("'", id, "' occurs twice; rename one"));
  }
  return id;
}

bool ReadDirection(Fields* fields) {
  const std::string direction = fields->String("direction");
  if (direction != "higher" && direction != "lower") {
    fields->Fail("direction", absl::StrCat("expected higher or lower (which is "
                                           "better), got '",
                                           direction, "'"));
  }
  return direction != "lower";
}

std::string ReadReason(Fields* fields, bool by_eye_allowed) {
  if (!fields->Has("reason")) return "";
  const std::string reason = fields->String("reason");
  if (!absl::StartsWith(reason, "data not obtainable") &&
      !absl::StartsWith(reason, "needs a GPU") &&
      !(by_eye_allowed && absl::StartsWith(reason, "judged by eye"))) {
    fields->Fail("reason",
                 absl::StrCat("must start with 'data not obtainable' or "
                              "'needs a GPU'",
                              by_eye_allowed ? " or 'judged by eye'" : "",
                              ", got '", reason, "'; nothing else counts"));
  }
  return reason;
}

absl::StatusOr<ReportedRow> ParseRow(const json& node, const std::string& where,
                                     std::set<std::string>* seen) {
  Fields fields(node, where);
  ReportedRow row;
  row.id = ReadId(&fields, seen);
  row.table = fields.String("table");
  row.dataset = fields.String("dataset");
  row.method = fields.String("method");
  row.metric = fields.String("metric");
  row.unit = fields.String("unit");
  row.higher_is_better = ReadDirection(&fields);
  row.value = fields.Number("value");
  if (!std::isfinite(row.value)) fields.Fail("value", "must be finite");
  if (fields.Has("recalled")) row.recalled = fields.Bool("recalled");
  row.reason = ReadReason(&fields, /*by_eye_allowed=*/false);
  SEG_RETURN_IF_ERROR(fields.Finish());
  row.decimals = Decimals(node["value"]);
  return row;
}

absl::StatusOr<RecordedVerdict> ParseRecorded(const json& node,
                                              const std::string& where) {
  Fields fields(node, where);
  RecordedVerdict out;
  out.data = fields.String("data");
  const std::string name = fields.String("verdict");
  if (fields.ok()) {
    absl::StatusOr<Verdict> verdict = ParseVerdict(name);
    if (verdict.ok()) {
      out.verdict = *verdict;
    } else {
      fields.Fail("verdict", std::string(verdict.status().message()));
    }
  }
  if (fields.Has("measured_by")) {
    const std::string by = fields.String("measured_by");
    out.measured_by_test = by == "reproduction_test";
    if (by != "results" && by != "reproduction_test") {
      fields.Fail("measured_by",
                  absl::StrCat("expected results or reproduction_test, got '",
                               by, "'"));
    }
  }
  if (fields.Has("tried")) out.tried = fields.String("tried");
  SEG_RETURN_IF_ERROR(fields.Finish());
  return out;
}

// A reference to a row; unknown ones name the nearest.
std::string ReadRowId(const std::string& key, const Ledger& ledger,
                      Fields* fields) {
  const std::string id = fields->String(key);
  if (!fields->ok() || ledger.FindRow(id) != nullptr) return id;
  std::vector<std::string> ids;
  for (const ReportedRow& row : ledger.rows) ids.push_back(row.id);
  const std::string near = NearestName(id, ids);
  fields->Fail(key, absl::StrCat("no row has the id '", id, "'",
                                 near.empty() ? "" : "; did you mean ", near,
                                 near.empty() ? "" : "?"));
  return id;
}

std::string ReadPointer(const std::string& key, Fields* fields) {
  const std::string pointer = fields->String(key);
  if (fields->ok() && pointer[0] != '/') {
    fields->Fail(key, absl::StrCat("expected a JSON pointer such as "
                                   "/metrics/mean_iou, got '",
                                   pointer, "'"));
  }
  return pointer;
}

RowPair ReadRowPair(const Ledger& ledger, Fields* fields) {
  RowPair pair;
  pair.better = ReadRowId("better", ledger, fields);
  pair.worse = ReadRowId("worse", ledger, fields);
  if (const ReportedRow* row = ledger.FindRow(pair.better)) {
    pair.higher_is_better = row->higher_is_better;
  }
  if (fields->Has("metric")) {
    pair.metric = ReadPointer("metric", fields);
    pair.higher_is_better = ReadDirection(fields);
  }
  return pair;
}

ExperimentPair ReadExperimentPair(Fields* fields) {
  ExperimentPair pair;
  pair.better = fields->String("better_experiment");
  pair.worse = fields->String("worse_experiment");
  pair.metric = ReadPointer("metric", fields);
  if (fields->Has("scale")) pair.scale = fields->Number("scale");
  if (!(pair.scale > 0)) fields->Fail("scale", "must be positive");
  pair.higher_is_better = ReadDirection(fields);
  return pair;
}

absl::StatusOr<Statistic> ParseStatistic(const json& node,
                                         const std::string& where,
                                         const Ledger& ledger) {
  Fields fields(node, where);
  Statistic statistic;
  if (fields.Has("experiments")) {
    statistic.experiments = fields.Strings("experiments");
    if (statistic.experiments.empty()) {
      fields.Fail("experiments", "must not be empty");
    }
  } else {
    statistic.row = ReadRowId("row", ledger, &fields);
  }
  statistic.metric = ReadPointer("metric", &fields);
  statistic.above = fields.Has("above");
  if (fields.Has("above") && fields.Has("below")) {
    fields.Fail("below", "give above or below, not both");
  }
  statistic.bound = fields.Number(statistic.above ? "above" : "below");
  SEG_RETURN_IF_ERROR(fields.Finish());
  return statistic;
}

absl::StatusOr<Claim> ParseClaim(const json& node, const std::string& where,
                                 const Ledger& ledger,
                                 std::set<std::string>* seen) {
  Fields fields(node, where);
  Claim claim;
  claim.id = ReadId(&fields, seen);
  claim.text = fields.String("text");
  claim.source = fields.String("source");
  const bool rows = fields.Has("better") || fields.Has("worse");
  const bool experiments =
      fields.Has("better_experiment") || fields.Has("worse_experiment");
  const bool statistic = fields.Has("statistic");
  if ((rows ? 1 : 0) + (experiments ? 1 : 0) + (statistic ? 1 : 0) > 1) {
    fields.Fail(rows ? "better" : "better_experiment",
                "a claim has a pair of rows, a pair of experiments or a "
                "statistic, one of them only");
  }
  if (experiments) {
    claim.comparison = ReadExperimentPair(&fields);
  } else if (rows) {
    claim.comparison = ReadRowPair(ledger, &fields);
  } else if (statistic) {
    const json& inner = fields.Object("statistic");
    SEG_RETURN_IF_ERROR(fields.status());
    SEG_ASSIGN_OR_RETURN(
        claim.comparison,
        ParseStatistic(inner, fields.where() + ": statistic", ledger));
  }
  if (fields.Has("verdicts")) {
    std::set<std::string> data;
    const json& list = fields.List("verdicts");
    SEG_RETURN_IF_ERROR(fields.status());
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string place =
          absl::StrCat(fields.where(), ": verdicts[", i, "]");
      SEG_ASSIGN_OR_RETURN(const RecordedVerdict verdict,
                           ParseRecorded(list[i], place));
      if (!data.insert(verdict.data).second) {
        return absl::InvalidArgumentError(absl::StrCat(
            place, ": data: '", verdict.data, "' has two verdicts; keep one"));
      }
      claim.verdicts.push_back(verdict);
    }
  }
  claim.reason = ReadReason(&fields, /*by_eye_allowed=*/true);
  SEG_RETURN_IF_ERROR(fields.Finish());
  return claim;
}

}  // namespace

const ReportedRow* Ledger::FindRow(const std::string& id) const {
  for (const ReportedRow& row : rows) {
    if (row.id == id) return &row;
  }
  return nullptr;
}

const Claim* Ledger::FindClaim(const std::string& id) const {
  for (const Claim& claim : claims) {
    if (claim.id == id) return &claim;
  }
  return nullptr;
}

absl::StatusOr<Ledger> ParseLedger(const std::string& yaml,
                                   const std::string& file) {
  SEG_ASSIGN_OR_RETURN(const json tree, ParseYaml(yaml, file));
  Fields fields(tree, file);
  Ledger ledger;
  ledger.file = file;
  ledger.paper = fields.String("paper");
  std::set<std::string> seen;
  const json& rows = fields.List("rows");
  SEG_RETURN_IF_ERROR(fields.status());
  for (size_t i = 0; i < rows.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(
        ReportedRow row,
        ParseRow(rows[i], absl::StrCat(file, ": rows[", i, "]"), &seen));
    ledger.rows.push_back(row);
  }
  // YAML drops the zero of 93.10: the numbers of one table and metric have the
  // digits of the one with the most.
  std::map<std::pair<std::string, std::string>, int> decimals;
  for (const ReportedRow& row : ledger.rows) {
    int& most = decimals[{row.table, row.metric}];
    most = std::max(most, row.decimals);
  }
  for (ReportedRow& row : ledger.rows) {
    row.decimals = decimals[{row.table, row.metric}];
  }
  if (fields.Has("claims")) {
    const json& claims = fields.List("claims");
    for (size_t i = 0; i < claims.size(); ++i) {
      SEG_ASSIGN_OR_RETURN(
          Claim claim,
          ParseClaim(claims[i], absl::StrCat(file, ": claims[", i, "]"), ledger,
                     &seen));
      ledger.claims.push_back(claim);
    }
  }
  SEG_RETURN_IF_ERROR(fields.Finish());
  return ledger;
}

absl::StatusOr<Ledger> ReadLedger(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseLedger(text, path);
}

}  // namespace seg
