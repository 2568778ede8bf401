#include "common/reproduction/reported_tables.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/reproduction/markdown.h"

namespace seg {
namespace {

using Rows = std::vector<const ReportedRow*>;
using NameOf = std::function<std::string(const ReportedRow&)>;

std::string MetricOf(const ReportedRow& row) {
  return absl::StrCat(row.metric, row.unit == "1" ? "" : " (" + row.unit + ")");
}

std::string DatasetOf(const ReportedRow& row) { return row.dataset; }

// Names in the order in which they occur, once each.
std::vector<std::string> Distinct(const Rows& rows, const NameOf& name) {
  std::vector<std::string> out;
  for (const ReportedRow* row : rows) {
    const std::string n = name(*row);
    if (std::find(out.begin(), out.end(), n) == out.end()) out.push_back(n);
  }
  return out;
}

Rows Select(const Rows& rows, const NameOf& name, const std::string& value) {
  Rows out;
  for (const ReportedRow* row : rows) {
    if (name(*row) == value) out.push_back(row);
  }
  return out;
}

// What was measured for a row.
struct Value {
  const ReportedRow* row;
  const ExperimentResult* result;
  const Answer* answer;

  // A measured mean needs at least one decimal beside its spread.
  int decimals() const {
    return answer->values.size() > 1 ? std::max(row->decimals, 1)
                                     : row->decimals;
  }
};

// Answers, or stand-ins, by the data they were measured on.
struct Measured {
  std::string kind;  // "ours" or "stand-in"
  std::string data;
  std::vector<Value> values;

  bool SameCount() const {
    return std::all_of(values.begin(), values.end(), [&](const Value& v) {
      return v.answer->values.size() == values[0].answer->values.size();
    });
  }
  bool IsAbout(const Rows& rows) const {
    return std::any_of(values.begin(), values.end(), [&](const Value& v) {
      return std::find(rows.begin(), rows.end(), v.row) != rows.end();
    });
  }
};

void Collect(const std::string& kind, const ExperimentResult& result,
             const std::vector<Answer>& answers, const Rows& rows,
             std::vector<Measured>* out) {
  for (const Answer& answer : answers) {
    if (answer.values.empty()) continue;
    for (const ReportedRow* row : rows) {
      if (row->id != answer.row) continue;
      auto it = std::find_if(out->begin(), out->end(), [&](const Measured& m) {
        return m.kind == kind && m.data == result.data;
      });
      if (it == out->end()) {
        it = out->insert(it, {kind, result.data, {}});
      }
      it->values.push_back({row, &result, &answer});
    }
  }
}

std::vector<Measured> MeasuredFor(
    const Rows& rows, const std::vector<ExperimentResult>& results) {
  std::vector<Measured> out;
  for (const ExperimentResult& r : results) {
    Collect("ours", r, r.answers, rows, &out);
  }
  for (const ExperimentResult& r : results) {
    Collect("stand-in", r, r.stands_in_for, rows, &out);
  }
  return out;
}

// One table: some rows of a section, its columns told apart by `column`.
class Panel {
 public:
  Panel(const Rows& rows, NameOf column,
        const std::vector<ExperimentResult>& results)
      : rows_(rows),
        column_(std::move(column)),
        measured_(MeasuredFor(rows, results)) {}

  // The one reason for which nothing of it was measured, or "".
  std::string Reason() const {
    std::set<std::string> reasons;
    for (const ReportedRow* row : rows_) reasons.insert(ReasonOf(*row));
    return reasons.size() == 1 ? *reasons.begin() : "";
  }

  std::string Render(Footnotes* footnotes) const {
    const std::vector<std::string> columns = Distinct(rows_, column_);
    const bool whole = !Reason().empty();  // then the caption has the mark
    MarkdownTable table;
    table.AddColumn("Method", false);
    for (const std::string& column : columns) {
      const Rows rows = Select(rows_, column_, column);
      table.AddColumn(columns.size() == 1 ? "reported" : Escape(column));
      for (const Measured& m : measured_) {
        if (!m.IsAbout(rows)) continue;
        table.AddColumn(Title(m));
        if (m.kind == "ours") table.AddColumn("difference");
      }
    }
    const auto method = [](const ReportedRow& row) { return row.method; };
    for (const std::string& name : Distinct(rows_, method)) {
      std::vector<std::string> cells = {Escape(name)};
      for (const std::string& column : columns) {
        const Rows rows = Select(rows_, column_, column);
        const Rows here = Select(rows, method, name);
        std::vector<std::string> reported;
        for (const ReportedRow* row : here) {
          const std::string why = ReasonOf(*row);
          reported.push_back(
              absl::StrCat(Fixed(row->value, row->decimals),
                           row->recalled ? kRecalledMark : "",
                           whole || why.empty() ? "" : footnotes->Mark(why)));
        }
        cells.push_back(Joined(reported));
        for (const Measured& m : measured_) {
          if (m.IsAbout(rows)) AddMeasured(m, here, &cells);
        }
      }
      table.AddRow(cells);
    }
    return table.Text();
  }

  // Which data the measured columns are on, and how many seeds.
  std::string Legend() const {
    std::string out;
    for (const Measured& m : measured_) {
      absl::StrAppend(
          &out, out.empty() ? "" : " ",
          m.kind == "ours" ? "Ours: " : "Stand-in: ", Escape(m.data),
          m.SameCount()
              ? absl::StrCat(", n = ", m.values[0].answer->values.size())
              : "",
          ".");
    }
    return out;
  }

 private:
  // Why a row has no number of ours; "" where it has one.
  std::string ReasonOf(const ReportedRow& row) const {
    for (const Measured& m : measured_) {
      if (m.kind == "ours" && m.IsAbout({&row})) return "";
    }
    return row.reason.empty() ? "not measured yet" : row.reason;
  }

  std::string Title(const Measured& measured) const {
    const auto same = [&](const Measured& m) {
      return m.kind == measured.kind;
    };
    return std::count_if(measured_.begin(), measured_.end(), same) == 1
               ? measured.kind
               : absl::StrCat(measured.kind, ", ", Escape(measured.data));
  }

  static std::string Joined(const std::vector<std::string>& cells) {
    return cells.empty() ? kNone : absl::StrJoin(cells, ", ");
  }

  static void AddMeasured(const Measured& measured, const Rows& here,
                          std::vector<std::string>* cells) {
    std::vector<std::string> values, differences;
    for (const Value& v : measured.values) {
      if (std::find(here.begin(), here.end(), v.row) == here.end()) continue;
      const size_t n = v.answer->values.size();
      values.push_back(absl::StrCat(MeanAndSd(v.answer->values, v.decimals()),
                                    measured.SameCount() ? "" : CountNote(n),
                                    DirtyMark(*v.result)));
      differences.push_back(
          Signed(v.answer->mean - v.row->value, v.decimals()));
    }
    cells->push_back(Joined(values));
    if (measured.kind == "ours") cells->push_back(Joined(differences));
  }

  const Rows rows_;
  const NameOf column_;
  const std::vector<Measured> measured_;
};

std::string RenderSection(const std::string& name, const Rows& rows,
                          const std::vector<ExperimentResult>& results) {
  const std::vector<std::string> datasets = Distinct(rows, DatasetOf);
  const std::vector<std::string> metrics = Distinct(rows, MetricOf);
  std::string heading = name;
  std::vector<Panel> panels;
  std::vector<std::string> captions;
  if (metrics.size() == 1 || datasets.size() == 1) {
    if (datasets.size() == 1) absl::StrAppend(&heading, ", ", datasets[0]);
    if (metrics.size() == 1) absl::StrAppend(&heading, ", ", metrics[0]);
    panels.emplace_back(
        rows, metrics.size() == 1 ? NameOf(DatasetOf) : NameOf(MetricOf),
        results);
    captions = {""};
  } else {
    for (const std::string& dataset : datasets) {
      const Rows own = Select(rows, DatasetOf, dataset);
      panels.emplace_back(own, MetricOf, results);
      const std::vector<std::string> one = Distinct(own, MetricOf);
      captions.push_back(one.size() == 1 ? absl::StrCat(dataset, ", ", one[0])
                                         : dataset);
    }
  }
  Footnotes footnotes;
  std::string out = absl::StrCat("### ", Escape(heading), "\n");
  for (size_t i = 0; i < panels.size(); ++i) {
    const std::string reason = panels[i].Reason();
    const std::string mark =
        panels.size() > 1 && !reason.empty() ? footnotes.Mark(reason) : "";
    if (!captions[i].empty()) {
      absl::StrAppend(&out, "\n**", Escape(captions[i]), "**", mark, "\n");
    }
    absl::StrAppend(&out, "\n", panels[i].Render(&footnotes));
    const std::string legend = panels[i].Legend();
    if (!legend.empty()) absl::StrAppend(&out, "\n", legend, "\n");
  }
  if (panels.size() == 1 && !panels[0].Reason().empty()) {
    absl::StrAppend(&out, "\nNot measured (", Escape(panels[0].Reason()),
                    ").\n");
  } else if (!footnotes.empty()) {
    absl::StrAppend(&out, "\nNot measured:\n\n", footnotes.List());
  }
  return out;
}

}  // namespace

std::string RenderReportedTables(const Ledger& ledger,
                                 const std::vector<ExperimentResult>& results) {
  Rows all;
  for (const ReportedRow& row : ledger.rows) all.push_back(&row);
  const auto table = [](const ReportedRow& row) { return row.table; };
  std::vector<std::string> sections;
  for (const std::string& name : Distinct(all, table)) {
    sections.push_back(RenderSection(name, Select(all, table, name), results));
  }
  return absl::StrJoin(sections, "\n");
}

}  // namespace seg
