#include "common/reproduction/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"

namespace seg {
namespace {

constexpr char kMinus[] = "\xE2\x88\x92";     // U+2212
constexpr char kPlusMinus[] = "\xC2\xB1";     // U+00B1
constexpr char kNone[] = "\xE2\x80\x93";      // en dash: nothing to show
constexpr char kDirty[] = "\xE2\x80\xA0";     // dagger
constexpr char kRecalled[] = "\xE2\x80\xA1";  // double dagger

// Text for a table cell.
std::string Cell(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') {
      out += "\\|";
    } else if (c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Fixed(double value, int decimals) {
  const std::string text = absl::StrFormat("%.*f", decimals, std::abs(value));
  // No minus before what rounds to zero.
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return (value < 0 && !zero ? kMinus : "") + text;
}

std::string Signed(double value, int decimals) {
  const std::string text = Fixed(value, decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return value > 0 && !zero ? "+" + text : text;
}

// A measured mean needs at least one decimal beside its spread.
int DecimalsOf(const ReportedRow& row, const Answer& answer) {
  return answer.values.size() > 1 ? std::max(row.decimals, 1) : row.decimals;
}

std::string Ours(const ReportedRow& row, const ExperimentResult& result,
                 const Answer& answer) {
  const int decimals = DecimalsOf(row, answer);
  std::string out = Fixed(answer.mean, decimals);
  if (answer.values.size() > 1) {
    absl::StrAppend(&out, " ", kPlusMinus, " ", Fixed(answer.sd, decimals));
  }
  absl::StrAppend(&out, " (n = ", answer.values.size(), ")");
  const bool dirty = std::any_of(result.runs.begin(), result.runs.end(),
                                 [](const MeasuredRun& r) { return r.dirty; });
  return dirty ? out + kDirty : out;
}

// Rows of one of the paper's tables.
struct Group {
  std::string table;
  std::vector<const ReportedRow*> rows;
};

std::vector<Group> GroupRows(const Ledger& ledger) {
  std::vector<Group> groups;
  for (const ReportedRow& row : ledger.rows) {
    auto it = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.table == row.table;
    });
    if (it == groups.end()) {
      groups.push_back({row.table, {}});
      it = groups.end() - 1;
    }
    it->rows.push_back(&row);
  }
  return groups;
}

std::string MetricOf(const ReportedRow& row) {
  return absl::StrCat(row.metric, row.unit == "1" ? "" : " (" + row.unit + ")");
}

std::string Reported(const ReportedRow& row) {
  return Fixed(row.value, row.decimals) + (row.recalled ? kRecalled : "");
}

// What all rows of the group share goes into its heading, the rest to the rows.
template <typename F>
std::set<std::string> Distinct(const Group& group, F of) {
  std::set<std::string> out;
  for (const ReportedRow* row : group.rows) out.insert(of(*row));
  return out;
}

// The reported numbers alone: a line for each method, or, where a table has
// several metrics (classes, say), a line for each of those and a column for
// each method.
std::string RenderReported(const Group& group) {
  std::vector<std::string> lines, columns;
  std::map<std::pair<std::string, std::string>, std::string> cells;
  const auto note = [](const std::string& name,
                       std::vector<std::string>* names) {
    if (std::find(names->begin(), names->end(), name) == names->end()) {
      names->push_back(name);
    }
  };
  const bool pivot = Distinct(group, MetricOf).size() > 1;
  const bool sets = Distinct(group, [](const ReportedRow& r) {
                      return r.dataset;
                    }).size() > 1;
  for (const ReportedRow* row : group.rows) {
    const std::string method =
        sets ? absl::StrCat(row->method, ", ", row->dataset) : row->method;
    const std::string line = pivot ? MetricOf(*row) : method;
    const std::string column = pivot ? method : "Reported";
    note(line, &lines);
    note(column, &columns);
    std::string& cell = cells[{line, column}];
    if (!cell.empty()) cell += ", ";
    cell += Reported(*row);
  }
  std::string head = pivot ? "| |" : "| Method |", rule = "| --- |";
  for (const std::string& column : columns) {
    absl::StrAppend(&head, " ", Cell(column), " |");
    rule += " ---: |";
  }
  std::string out = head + "\n" + rule + "\n";
  for (const std::string& line : lines) {
    absl::StrAppend(&out, "| ", Cell(line), " |");
    for (const std::string& column : columns) {
      const std::string& cell = cells[{line, column}];
      absl::StrAppend(&out, " ", cell.empty() ? kNone : cell, " |");
    }
    out += "\n";
  }
  return out;
}

std::string RenderGroup(const Group& group,
                        const std::vector<ExperimentResult>& results) {
  const auto datasets =
      Distinct(group, [](const ReportedRow& r) { return r.dataset; });
  const auto metrics = Distinct(group, MetricOf);
  const auto reasons =
      Distinct(group, [](const ReportedRow& r) { return r.reason; });
  std::string heading = group.table;
  if (datasets.size() == 1) absl::StrAppend(&heading, ", ", *datasets.begin());
  if (metrics.size() == 1) absl::StrAppend(&heading, ", ", *metrics.begin());

  bool any_result = false;
  std::string body =
      "| Method | Reported | Ours | Data | Difference |\n"
      "| --- | ---: | ---: | --- | ---: |\n";
  for (const ReportedRow* row : group.rows) {
    std::string label = row->method;
    if (metrics.size() > 1) absl::StrAppend(&label, ", ", MetricOf(*row));
    if (datasets.size() > 1) absl::StrAppend(&label, ", ", row->dataset);
    const std::string reported = Reported(*row);
    bool answered = false;
    std::string stand_ins;
    for (const ExperimentResult& result : results) {
      for (const Answer& answer : result.answers) {
        if (answer.row != row->id || answer.values.empty()) continue;
        answered = any_result = true;
        absl::StrAppend(
            &body, "| ", Cell(label), " | ", reported, " | ",
            Ours(*row, result, answer), " | ", Cell(result.data), " | ",
            Signed(answer.mean - row->value, DecimalsOf(*row, answer)), " |\n");
      }
      for (const Answer& answer : result.stands_in_for) {
        if (answer.row != row->id || answer.values.empty()) continue;
        any_result = true;
        absl::StrAppend(&stand_ins, "| *stand-in for the row above* | | ",
                        Ours(*row, result, answer), " | ", Cell(result.data),
                        " | ", kNone, " |\n");
      }
    }
    if (!answered) {
      absl::StrAppend(
          &body, "| ", Cell(label), " | ", reported, " | ", kNone, " | ",
          row->reason.empty() ? "not measured yet" : Cell(row->reason), " | ",
          kNone, " |\n");
    }
    body += stand_ins;
  }
  if (any_result) return absl::StrCat("**", heading, "**\n\n", body);
  // Nothing measured: what the paper reports, folded, and why.
  if (reasons.size() == 1) body = RenderReported(group);
  const std::string why =
      reasons.size() == 1 && !reasons.begin()->empty()
          ? *reasons.begin()
          : std::string(reasons.count("") > 0 ? "not measured yet"
                                              : "reasons below");
  return absl::StrCat(
      "<details><summary>", Cell(heading), ": ", group.rows.size(),
      group.rows.size() == 1 ? " number" : " numbers", " without a result (",
      Cell(why), ")</summary>\n\n", body, "\n</details>\n");
}

// mean, or mean and standard deviation.
std::string MeanCell(const std::vector<double>& values, int decimals,
                     bool with_sign) {
  if (values.empty()) return kNone;
  const MeanSd stats = ComputeMeanSd(values);
  std::string out =
      with_sign ? Signed(stats.mean, decimals) : Fixed(stats.mean, decimals);
  if (values.size() > 1) {
    absl::StrAppend(&out, " ", kPlusMinus, " ", Fixed(stats.sd, decimals));
  }
  return out;
}

// A column's number of a run; none where eval printed none.
absl::optional<double> ColumnValue(const MeasuredRun& run,
                                   const TableColumn& column) {
  const absl::StatusOr<double> value = EvalNumber(run, column.key);
  if (!value.ok()) return absl::nullopt;
  return *value * column.scale;
}

// One line an experiment that was measured, in the protocol's order.
std::string RenderExperiments(const Protocol& protocol,
                              const ExperimentTable& table,
                              const std::vector<ExperimentResult>& results) {
  const auto find = [&](const std::string& name) {
    const auto it = std::find_if(
        results.begin(), results.end(),
        [&](const ExperimentResult& r) { return r.experiment == name; });
    return it == results.end() ? nullptr : &*it;
  };
  const ExperimentResult* baseline = find(table.baseline);
  const Experiment* baseline_entry = protocol.Find(table.baseline);
  std::string head = "| Experiment | Data |", rule = "| --- | --- |";
  for (size_t c = 0; c < table.columns.size(); ++c) {
    absl::StrAppend(&head, " ", Cell(table.columns[c].name), " |");
    rule += " ---: |";
    if (c == 0 && baseline != nullptr) {
      absl::StrAppend(
          &head, " gain over ",
          Cell(baseline_entry->title.empty() ? baseline_entry->name
                                             : baseline_entry->title),
          " |");
      rule += " ---: |";
    }
  }
  std::string body;
  for (const Experiment& e : protocol.experiments) {
    const ExperimentResult* result = find(e.name);
    const bool wanted =
        table.experiments.empty()
            ? !e.title.empty()
            : std::find(table.experiments.begin(), table.experiments.end(),
                        e.name) != table.experiments.end();
    if (!wanted || result == nullptr) continue;
    const bool dirty =
        std::any_of(result->runs.begin(), result->runs.end(),
                    [](const MeasuredRun& r) { return r.dirty; });
    absl::StrAppend(&body, "| ", Cell(e.title.empty() ? e.name : e.title),
                    " (n = ", result->runs.size(), ")", dirty ? kDirty : "",
                    " | ", Cell(result->data), " |");
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const TableColumn& column = table.columns[c];
      std::vector<double> values, gains;
      for (const MeasuredRun& run : result->runs) {
        const absl::optional<double> value = ColumnValue(run, column);
        if (!value.has_value()) continue;
        values.push_back(*value);
        if (baseline == nullptr || baseline == result) continue;
        for (const MeasuredRun& other : baseline->runs) {
          if (other.seed != run.seed) continue;
          const absl::optional<double> less = ColumnValue(other, column);
          if (less.has_value()) gains.push_back(*value - *less);
        }
      }
      absl::StrAppend(&body, " ", MeanCell(values, column.decimals, false),
                      " |");
      if (c == 0 && baseline != nullptr) {
        absl::StrAppend(&body, " ", MeanCell(gains, column.decimals, true),
                        " |");
      }
    }
    body += "\n";
  }
  if (body.empty()) return "";
  return absl::StrCat("**", table.heading, "**\n\n", head, "\n", rule, "\n",
                      body);
}

std::string RenderClaims(const Ledger& ledger,
                         const std::vector<ClaimVerdict>& verdicts) {
  if (ledger.claims.empty()) return "";
  std::string out =
      "**Claims of the paper**\n\n"
      "| Claim | Source | Data | Verdict | In favour |\n"
      "| --- | --- | --- | --- | ---: |\n";
  for (const Claim& claim : ledger.claims) {
    std::string label = Cell(claim.text), source = Cell(claim.source);
    const auto line = [&](const std::string& data, const std::string& verdict,
                          const std::string& numbers,
                          const std::string& tried) {
      absl::StrAppend(&out, "| ", label, " | ", source, " | ", Cell(data),
                      " | ", verdict,
                      tried.empty() ? "" : ". Tried: " + Cell(tried), " | ",
                      numbers, " |\n");
      label = source = "";  // the next line is about the same claim
    };
    std::set<std::string> shown;
    for (const ClaimVerdict& v : verdicts) {
      if (v.claim != claim.id) continue;
      shown.insert(v.data);
      std::string tried;
      for (const RecordedVerdict& r : claim.verdicts) {
        if (r.data == v.data) tried = r.tried;
      }
      const PairedResult& s = v.statistics;
      std::string numbers = absl::StrFormat("%+.3g", s.mean);
      if (s.differences.size() > 1) {
        absl::StrAppend(&numbers, " ", kPlusMinus, " ",
                        absl::StrFormat("%.2g", s.sd));
      }
      absl::StrAppend(&numbers, " (n = ", s.differences.size(), ")");
      line(v.data, ToString(s.verdict), numbers, tried);
    }
    for (const RecordedVerdict& r : claim.verdicts) {
      if (shown.count(r.data) > 0) continue;
      shown.insert(r.data);
      line(r.data,
           absl::StrCat(ToString(r.verdict),
                        r.measured_by_test ? " (reproduction_test)" : ""),
           kNone, r.tried);
    }
    if (!claim.reason.empty()) {
      // The table above tells the rest of "data not obtainable: ...".
      const bool by_eye = absl::StartsWith(claim.reason, "judged by eye");
      line(kNone,
           Cell(by_eye ? claim.reason
                       : claim.reason.substr(0, claim.reason.find(':'))),
           kNone, "");
    } else if (shown.empty()) {
      line(kNone, "not measured yet", kNone, "");
    }
  }
  return out;
}

}  // namespace

std::string RenderTable(const Ledger& ledger, const Protocol& protocol,
                        const std::vector<ExperimentResult>& results,
                        const std::vector<ClaimVerdict>& verdicts) {
  std::vector<std::string> parts;
  for (const Group& group : GroupRows(ledger)) {
    parts.push_back(RenderGroup(group, results));
  }
  for (const ExperimentTable& table : protocol.tables) {
    const std::string text = RenderExperiments(protocol, table, results);
    if (!text.empty()) parts.push_back(text);
  }
  const std::string claims = RenderClaims(ledger, verdicts);
  if (!claims.empty()) parts.push_back(claims);
  std::string note = absl::StrCat(
      "Ours: mean ", kPlusMinus,
      " standard deviation over n seeds, gains paired by seed; the difference "
      "is ours less reported. A claim is held when the paired differences of "
      "at least "
      "three seeds all favour it and their mean exceeds 2 SD/\xE2\x88\x9An, "
      "not held in the mirrored case, else undecided.");
  const std::string body = absl::StrJoin(parts, "\n");
  if (body.find(kDirty) != std::string::npos) {
    absl::StrAppend(&note, " ", kDirty,
                    ": measured with changes that no commit holds.");
  }
  if (body.find(kRecalled) != std::string::npos) {
    absl::StrAppend(&note, " ", kRecalled,
                    ": written from memory, to be checked against the paper.");
  }
  return absl::StrCat(body, "\n", note, "\n");
}

absl::StatusOr<std::string> ReplaceTable(const std::string& readme,
                                         const std::string& table) {
  const size_t begin = readme.find(kTableBegin);
  const size_t end = readme.find(kTableEnd);
  const std::string remedy =
      absl::StrCat("; put the lines ", kTableBegin, " and ", kTableEnd,
                   " once each, in this order, where the results belong");
  if (begin == std::string::npos || end == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "marker ", begin == std::string::npos ? kTableBegin : kTableEnd,
        " is missing", remedy));
  }
  if (end < begin) {
    return absl::InvalidArgumentError("markers are out of order" + remedy);
  }
  for (const std::string marker : {kTableBegin, kTableEnd}) {
    if (readme.find(marker) != readme.rfind(marker)) {
      return absl::InvalidArgumentError(
          absl::StrCat("marker ", marker, " occurs twice", remedy));
    }
  }
  return absl::StrCat(readme.substr(0, begin), kTableBegin, "\n\n", table, "\n",
                      readme.substr(end));
}

absl::Status CheckPaper(const std::string& paper_folder) {
  SEG_ASSIGN_OR_RETURN(const Ledger ledger,
                       ReadLedger(paper_folder + "/reported.yaml"));
  SEG_ASSIGN_OR_RETURN(const Protocol protocol,
                       ReadProtocol(paper_folder + "/protocol.yaml", ledger));
  SEG_ASSIGN_OR_RETURN(const std::vector<ExperimentResult> results,
                       ReadResults(paper_folder + "/results"));
  SEG_ASSIGN_OR_RETURN(const std::vector<ClaimVerdict> verdicts,
                       ReadVerdicts(paper_folder + "/results"));
  std::vector<std::string> problems =
      CheckConsistency(ledger, results, verdicts);
  const std::string path = paper_folder + "/README.md";
  SEG_ASSIGN_OR_RETURN(const std::string readme, ReadFile(path));
  const absl::StatusOr<std::string> fresh =
      ReplaceTable(readme, RenderTable(ledger, protocol, results, verdicts));
  if (!fresh.ok()) {
    problems.push_back(absl::StrCat(path, ": ", fresh.status().message()));
  } else if (*fresh != readme) {
    problems.push_back(absl::StrCat(
        path,
        ": the results table is not what reported.yaml and results/ "
        "give; run //tools:reproduce with --render_only"));
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrJoin(problems, "\n"));
}

}  // namespace seg
