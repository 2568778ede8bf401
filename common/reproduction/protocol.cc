#include "common/reproduction/protocol.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/nearest.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/io/file.h"
#include "common/io/strict_json.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using nlohmann::json;

struct Metric {
  std::string key;
  double scale = 1;
};
using Metrics = std::map<std::string, Metric>;

void ReadKeyAndScale(Fields* fields, Metric* metric) {
  metric->key = fields->String("key");
  if (fields->ok() && metric->key[0] != '/') {
    fields->Fail("key", absl::StrCat("expected a JSON pointer such as "
                                     "/metrics/mean_iou, got '",
                                     metric->key, "'"));
  }
  if (fields->Has("scale")) metric->scale = fields->Number("scale");
}

absl::StatusOr<Metrics> ParseMetrics(const json& node,
                                     const std::string& where) {
  Metrics metrics;
  for (auto it = node.begin(); it != node.end(); ++it) {
    Fields fields(it.value(), absl::StrCat(where, ": ", it.key()));
    ReadKeyAndScale(&fields, &metrics[it.key()]);
    SEG_RETURN_IF_ERROR(fields.Finish());
  }
  return metrics;
}

absl::StatusOr<std::vector<TableColumn>> ParseColumns(
    const json& list, const std::string& where) {
  std::vector<TableColumn> columns;
  for (size_t i = 0; i < list.size(); ++i) {
    Fields fields(list[i], absl::StrCat(where, "[", i, "]"));
    TableColumn column;
    column.name = fields.String("name");
    Metric metric;
    ReadKeyAndScale(&fields, &metric);
    column.key = metric.key;
    column.scale = metric.scale;
    if (fields.Has("decimals")) {
      column.decimals = static_cast<int>(fields.Integer("decimals"));
      if (column.decimals < 0 || column.decimals > 9) {
        fields.Fail("decimals", "must lie in [0, 9]");
      }
    }
    SEG_RETURN_IF_ERROR(fields.Finish());
    columns.push_back(column);
  }
  return columns;
}

absl::StatusOr<std::vector<ProtocolAnswer>> ParseAnswers(
    const json& list, const std::string& where, const Ledger& ledger,
    const Metrics& metrics) {
  std::vector<ProtocolAnswer> out;
  std::set<std::string> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = absl::StrCat(where, "[", i, "]");
    ProtocolAnswer answer;
    const bool by_id = list[i].is_string();
    if (by_id) {
      answer.row = list[i].get<std::string>();
    } else {
      Fields fields(list[i], place);
      answer.row = fields.String("row");
      Metric metric;
      ReadKeyAndScale(&fields, &metric);
      SEG_RETURN_IF_ERROR(fields.Finish());
      answer.metric = metric.key;
      answer.scale = metric.scale;
    }
    const ReportedRow* row = ledger.FindRow(answer.row);
    if (row == nullptr) {
      std::vector<std::string> ids;
      for (const ReportedRow& r : ledger.rows) ids.push_back(r.id);
      const std::string near = NearestName(answer.row, ids);
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": ", ledger.file, " has no row '", answer.row, "'",
          near.empty() ? "" : "; did you mean " + near + "?"));
    }
    if (by_id) {
      const auto it = metrics.find(row->metric);
      if (it == metrics.end()) {
        return absl::InvalidArgumentError(absl::StrCat(
            place, ": row ", row->id, " has the metric '", row->metric,
            "'; say under metrics where eval --json prints it, or write "
            "{row, key, scale} here"));
      }
      answer.metric = it->second.key;
      answer.scale = it->second.scale;
    }
    if (!seen.insert(answer.row).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", answer.row, " occurs twice"));
    }
    out.push_back(answer);
  }
  return out;
}

// A reference to an experiment further up, which trains.
void CheckEarlier(const std::string& key, const std::string& name,
                  const Protocol& protocol, Fields* fields) {
  if (!fields->ok() || name.empty()) return;
  const Experiment* earlier = protocol.Find(name);
  if (earlier == nullptr) {
    std::vector<std::string> names;
    for (const Experiment& e : protocol.experiments) names.push_back(e.name);
    fields->Fail(
        key, absl::StrCat("expected an experiment further up (",
                          absl::StrJoin(names, ", "), "), got '", name, "'"));
  } else if (!earlier->eval_of.empty()) {
    fields->Fail(key, absl::StrCat(name, " trains nothing; name ",
                                   earlier->eval_of, " instead"));
  }
}

// needs: {KEY: NAME or [NAME, ..]}; weights is init_from.
void ReadNeeds(const Protocol& protocol, Fields* fields, Experiment* e) {
  const json& node = fields->Object("needs");
  for (auto it = node.begin(); it != node.end(); ++it) {
    const std::string key = "needs." + it.key();
    if (it.key().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") !=
        std::string::npos) {
      fields->Fail(key, "must consist of a-z 0-9 _ only");
    }
    const json list = it->is_string() ? json::array({*it}) : *it;
    std::vector<std::string> names;
    for (const json& name : list.is_array() ? list : json::array()) {
      if (!name.is_string()) continue;
      names.push_back(name.get<std::string>());
      CheckEarlier(key, names.back(), protocol, fields);
    }
    if (names.empty() || names.size() != list.size()) {
      fields->Fail(key, absl::StrCat("expected an experiment or a list of "
                                     "some, got ",
                                     it->dump()));
    }
    if (std::set<std::string>(names.begin(), names.end()).size() !=
        names.size()) {
      fields->Fail(key, "an experiment occurs twice");
    }
    if (it.key() != "weights") {
      e->needs[it.key()] = names;
    } else if (names.size() > 1 || !e->init_from.empty()) {
      fields->Fail(key,
                   "weights come from one experiment; init_from is its "
                   "short form");
    } else if (!names.empty()) {
      e->init_from = names[0];
    }
  }
}

absl::StatusOr<Experiment> ParseExperiment(const json& node, std::string where,
                                           const Protocol& protocol,
                                           const Ledger& ledger,
                                           const Metrics& metrics) {
  Fields fields(node, where);
  Experiment e;
  e.name = fields.String("name");
  if (fields.ok()) {
    where = absl::StrCat(where, " (", e.name, ")");
    fields.set_where(where);
    if (e.name == "verdicts" ||
        e.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") !=
            std::string::npos) {
      fields.Fail("name", absl::StrCat("'", e.name,
                                       "' must consist of a-z 0-9 _ - only, "
                                       "and not be 'verdicts'"));
    }
    if (protocol.Find(e.name) != nullptr) {
      fields.Fail("name", absl::StrCat("'", e.name, "' occurs twice"));
    }
  }
  if (fields.Has("title")) e.title = fields.String("title");
  if (fields.Has("eval_of")) {
    e.eval_of = fields.String("eval_of");
    CheckEarlier("eval_of", e.eval_of, protocol, &fields);
    for (const char* key : {"config", "overrides", "init_from", "needs"}) {
      if (fields.Has(key)) {
        fields.Fail(key, "has no meaning with eval_of; remove one of them");
      }
    }
    if (const Experiment* other = protocol.Find(e.eval_of)) {
      e.config = other->config;
      e.overrides = other->overrides;
    }
  } else {
    e.config = fields.String("config");
    if (fields.Has("overrides")) e.overrides = fields.Strings("overrides");
    if (fields.Has("init_from")) {
      e.init_from = fields.String("init_from");
      CheckEarlier("init_from", e.init_from, protocol, &fields);
    }
    if (fields.Has("needs")) ReadNeeds(protocol, &fields, &e);
  }
  if (fields.Has("eval_overrides")) {
    e.eval_overrides = fields.Strings("eval_overrides");
  }
  for (const auto* list : {&e.overrides, &e.eval_overrides}) {
    for (const std::string& item : *list) {
      if (item.empty() || item[0] == '-' ||
          item.find('=') == std::string::npos) {
        fields.Fail(list == &e.overrides ? "overrides" : "eval_overrides",
                    absl::StrCat("expected key.path=value, got '", item, "'"));
      }
    }
  }
  e.data = fields.String("data");
  if (fields.Has("split")) e.split = fields.String("split");
  e.seeds = fields.Integers("seeds");
  if (fields.ok() && e.seeds.empty()) fields.Fail("seeds", "must not be empty");
  if (std::set<int64_t>(e.seeds.begin(), e.seeds.end()).size() !=
      e.seeds.size()) {
    fields.Fail("seeds", "a seed occurs twice");
  }
  if (fields.Has("quick")) e.quick = fields.Bool("quick");
  if (fields.Has("gpu")) e.gpu = fields.Bool("gpu");
  for (const std::string& name : e.Parents()) {
    const Experiment* parent = protocol.Find(name);
    if (parent == nullptr) continue;  // told already
    for (int64_t seed : e.seeds) {
      if (std::find(parent->seeds.begin(), parent->seeds.end(), seed) ==
          parent->seeds.end()) {
        fields.Fail("seeds", absl::StrCat(name, " has no seed ", seed,
                                          " to start from; add it there"));
      }
    }
    e.gpu = e.gpu || parent->gpu;
    if (e.quick && !parent->quick) {
      fields.Fail("quick",
                  absl::StrCat(name, ", which it needs, is not quick"));
    }
  }
  if (e.quick && e.gpu) {
    fields.Fail("quick", "an experiment that needs a GPU is not quick");
  }
  SEG_RETURN_IF_ERROR(fields.status());
  const json empty = json::array();
  SEG_ASSIGN_OR_RETURN(
      e.answers,
      ParseAnswers(fields.Has("answers") ? fields.List("answers") : empty,
                   where + ": answers", ledger, metrics));
  SEG_ASSIGN_OR_RETURN(
      e.stands_in_for,
      ParseAnswers(
          fields.Has("stands_in_for") ? fields.List("stands_in_for") : empty,
          where + ": stands_in_for", ledger, metrics));
  SEG_RETURN_IF_ERROR(fields.Finish());
  return e;
}

absl::StatusOr<ExperimentTable> ParseTable(const json& node,
                                           const std::string& where,
                                           const Protocol& protocol) {
  Fields fields(node, where);
  ExperimentTable table;
  table.heading =
      fields.Has("heading") ? fields.String("heading") : "Measured here";
  const auto check = [&](const std::string& key, const std::string& name) {
    if (protocol.Find(name) == nullptr) {
      fields.Fail(key, absl::StrCat("no experiment '", name, "'"));
    }
  };
  if (fields.Has("experiments")) {
    table.experiments = fields.Strings("experiments");
    for (const std::string& name : table.experiments) {
      check("experiments", name);
    }
  }
  if (fields.Has("baseline")) {
    table.baseline = fields.String("baseline");
    check("baseline", table.baseline);
  }
  SEG_ASSIGN_OR_RETURN(
      table.columns, ParseColumns(fields.List("columns"), where + ": columns"));
  SEG_RETURN_IF_ERROR(fields.Finish());
  return table;
}

absl::StatusOr<ExperimentTable> ParseSummary(const json& node,
                                             const std::string& where,
                                             const Protocol& protocol) {
  SEG_ASSIGN_OR_RETURN(ExperimentTable table,
                       ParseTable(node, where, protocol));
  if (table.experiments.empty() || table.experiments.size() > kSummaryLines) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": experiments: expected 1 to ", kSummaryLines, " names, got ",
        table.experiments.size(), "; the rest belongs under tables"));
  }
  return table;
}

// The experiments that the ledger's claims compare by name.
absl::Status CheckClaims(const Ledger& ledger, const Protocol& protocol) {
  for (const Claim& claim : ledger.claims) {
    std::vector<std::string> names;
    if (const auto* pair = std::get_if<ExperimentPair>(&claim.comparison)) {
      names = {pair->better, pair->worse};
    } else if (const auto* s = std::get_if<Statistic>(&claim.comparison)) {
      names = s->experiments;
    }
    for (const std::string& name : names) {
      if (protocol.Find(name) != nullptr) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(ledger.file, ": claim ", claim.id,
                       ": protocol.yaml has no experiment '", name, "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

const Experiment* Protocol::Find(const std::string& name) const {
  for (const Experiment& e : experiments) {
    if (e.name == name) return &e;
  }
  return nullptr;
}

std::vector<std::string> Experiment::Parents() const {
  std::vector<std::string> parents;
  const auto add = [&](const std::string& name) {
    if (!name.empty() &&
        std::find(parents.begin(), parents.end(), name) == parents.end()) {
      parents.push_back(name);
    }
  };
  add(eval_of);
  add(init_from);
  for (const auto& [key, names] : needs) {
    for (const std::string& name : names) add(name);
  }
  return parents;
}

absl::StatusOr<Protocol> ParseProtocol(const std::string& yaml,
                                       const std::string& file,
                                       const Ledger& ledger) {
  SEG_ASSIGN_OR_RETURN(const json tree, ParseYaml(yaml, file));
  Fields fields(tree, file);
  Protocol protocol;
  protocol.paper = fields.String("paper");
  if (fields.ok() && protocol.paper != ledger.paper) {
    fields.Fail("paper", absl::StrCat("expected ", ledger.paper, " as in ",
                                      ledger.file, ", got ", protocol.paper));
  }
  Metrics metrics;
  if (fields.Has("metrics")) {
    SEG_ASSIGN_OR_RETURN(
        metrics, ParseMetrics(fields.Object("metrics"), file + ": metrics"));
  }
  const json no_tables = json::array();
  const json& tables = fields.Has("tables") ? fields.List("tables") : no_tables;
  const bool has_summary = fields.Has("summary");
  const json& summary = has_summary ? fields.Object("summary") : no_tables;
  const json& list = fields.List("experiments");
  SEG_RETURN_IF_ERROR(fields.Finish());
  for (size_t i = 0; i < list.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(
        Experiment e,
        ParseExperiment(list[i], absl::StrCat(file, ": experiments[", i, "]"),
                        protocol, ledger, metrics));
    protocol.experiments.push_back(std::move(e));
  }
  if (has_summary) {
    SEG_ASSIGN_OR_RETURN(protocol.summary,
                         ParseSummary(summary, file + ": summary", protocol));
  }
  for (size_t i = 0; i < tables.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(
        ExperimentTable table,
        ParseTable(tables[i], absl::StrCat(file, ": tables[", i, "]"),
                   protocol));
    protocol.tables.push_back(std::move(table));
  }
  SEG_RETURN_IF_ERROR(CheckClaims(ledger, protocol));
  return protocol;
}

absl::StatusOr<Protocol> ReadProtocol(const std::string& path,
                                      const Ledger& ledger) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseProtocol(text, path, ledger);
}

}  // namespace seg
