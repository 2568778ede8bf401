#include "common/reproduction/experiment_tables.h"

#include <algorithm>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "common/reproduction/markdown.h"

namespace seg {
namespace {

// An experiment that a table shows.
struct Line {
  const Experiment* experiment;
  const ExperimentResult* result;
};

std::string TitleOf(const Experiment& e) {
  return e.title.empty() ? e.name : e.title;
}

const ExperimentResult* Find(const std::vector<ExperimentResult>& results,
                             const std::string& name) {
  for (const ExperimentResult& r : results) {
    if (r.experiment == name) return &r;
  }
  return nullptr;
}

std::vector<Line> LinesOf(const Protocol& protocol,
                          const ExperimentTable& table,
                          const std::vector<ExperimentResult>& results) {
  std::vector<std::string> names = table.experiments;
  if (names.empty()) {
    for (const Experiment& e : protocol.experiments) {
      if (!e.title.empty()) names.push_back(e.name);
    }
  }
  std::vector<Line> lines;
  for (const std::string& name : names) {
    const Experiment* experiment = protocol.Find(name);
    const ExperimentResult* result = Find(results, name);
    if (experiment != nullptr && result != nullptr) {
      lines.push_back({experiment, result});
    }
  }
  return lines;
}

// A column's number of a run; none where eval printed none.
absl::optional<double> ColumnValue(const MeasuredRun& run,
                                   const TableColumn& column) {
  const absl::StatusOr<double> value = EvalNumber(run, column.key);
  if (!value.ok()) return absl::nullopt;
  return *value * column.scale;
}

std::vector<double> ValuesOf(const ExperimentResult& result,
                             const TableColumn& column) {
  std::vector<double> values;
  for (const MeasuredRun& run : result.runs) {
    const absl::optional<double> value = ColumnValue(run, column);
    if (value.has_value()) values.push_back(*value);
  }
  return values;
}

// Differences to the baseline, paired by seed; none of the baseline itself.
std::vector<double> GainsOf(const ExperimentResult& result,
                            const ExperimentResult& baseline,
                            const TableColumn& column) {
  std::vector<double> gains;
  if (&result == &baseline) return gains;
  for (const MeasuredRun& run : result.runs) {
    const absl::optional<double> value = ColumnValue(run, column);
    for (const MeasuredRun& other : baseline.runs) {
      if (other.seed != run.seed || !value.has_value()) continue;
      const absl::optional<double> less = ColumnValue(other, column);
      if (less.has_value()) gains.push_back(*value - *less);
    }
  }
  return gains;
}

// What the paper reports for the number in `column`, like for like.
std::string ReportedBeside(const Ledger& ledger, const ExperimentResult& result,
                           const TableColumn& column) {
  for (const Answer& answer : result.answers) {
    const ReportedRow* row = ledger.FindRow(answer.row);
    if (row == nullptr || answer.metric != column.key) continue;
    return absl::StrCat(Fixed(row->value, row->decimals),
                        row->recalled ? kRecalledMark : "");
  }
  return "";
}

// The table and, under it, what all its lines share. `reported` may be null:
// no column of the paper's numbers.
std::string Render(const Protocol& protocol, const ExperimentTable& table,
                   const std::vector<ExperimentResult>& results,
                   const Ledger* reported) {
  const std::vector<Line> lines = LinesOf(protocol, table, results);
  if (lines.empty()) return "";
  std::set<std::string> data;
  std::set<size_t> counts;
  bool any_reported = false;
  for (const Line& line : lines) {
    data.insert(line.result->data);
    counts.insert(line.result->runs.size());
    any_reported =
        any_reported ||
        (reported != nullptr && !table.columns.empty() &&
         !ReportedBeside(*reported, *line.result, table.columns[0]).empty());
  }
  const ExperimentResult* baseline = Find(results, table.baseline);
  const Experiment* baseline_entry = protocol.Find(table.baseline);

  MarkdownTable out;
  out.AddColumn("Experiment", false);
  if (data.size() > 1) out.AddColumn("Data", false);
  for (size_t c = 0; c < table.columns.size(); ++c) {
    out.AddColumn(Escape(table.columns[c].name));
    if (c > 0) continue;
    if (any_reported) out.AddColumn("reported");
    if (baseline != nullptr) {
      out.AddColumn("gain over " + Escape(TitleOf(*baseline_entry)));
    }
  }
  for (const Line& line : lines) {
    const ExperimentResult& result = *line.result;
    std::vector<std::string> cells = {
        absl::StrCat(Escape(TitleOf(*line.experiment)),
                     counts.size() > 1 ? CountNote(result.runs.size()) : "",
                     DirtyMark(result))};
    if (data.size() > 1) cells.push_back(Escape(result.data));
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const TableColumn& column = table.columns[c];
      cells.push_back(MeanAndSd(ValuesOf(result, column), column.decimals));
      if (c > 0) continue;
      if (any_reported) {
        const std::string number = ReportedBeside(*reported, result, column);
        cells.push_back(number.empty() ? kNone : number);
      }
      if (baseline != nullptr) {
        cells.push_back(MeanAndSd(GainsOf(result, *baseline, column),
                                  column.decimals, true));
      }
    }
    out.AddRow(cells);
  }
  std::string text = out.Text();
  const std::string on =
      data.size() == 1 ? "Measured on " + Escape(*data.begin()) : "";
  const std::string n =
      counts.size() == 1 ? absl::StrCat("n = ", *counts.begin()) : "";
  if (!on.empty() || !n.empty()) {
    absl::StrAppend(&text, "\n", on, on.empty() || n.empty() ? "" : ", ", n,
                    ".\n");
  }
  return text;
}

}  // namespace

std::string RenderExperimentTables(
    const Protocol& protocol, const std::vector<ExperimentResult>& results) {
  std::vector<std::string> sections;
  for (const ExperimentTable& table : protocol.tables) {
    const std::string text = Render(protocol, table, results, nullptr);
    if (text.empty()) continue;
    sections.push_back(
        absl::StrCat("### ", Escape(table.heading), "\n\n", text));
  }
  return absl::StrJoin(sections, "\n");
}

std::string RenderSummaryTable(const Ledger& ledger, const Protocol& protocol,
                               const std::vector<ExperimentResult>& results) {
  if (protocol.summary.experiments.empty()) return "";
  return Render(protocol, protocol.summary, results, &ledger);
}

}  // namespace seg
