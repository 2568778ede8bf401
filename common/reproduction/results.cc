#include "common/reproduction/results.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/strict_json.h"
#include "common/reproduction/verdict.h"

namespace seg {
namespace {

using nlohmann::json;

absl::StatusOr<std::vector<Answer>> ParseAnswers(const json& list,
                                                 const std::string& where,
                                                 size_t runs) {
  std::vector<Answer> answers;
  for (size_t i = 0; i < list.size(); ++i) {
    Fields fields(list[i], absl::StrCat(where, "[", i, "]"));
    Answer answer;
    answer.row = fields.String("row");
    answer.metric = fields.String("metric");
    answer.scale = fields.Number("scale");
    answer.values = fields.Numbers("values");
    answer.mean = fields.Number("mean");
    answer.sd = fields.Number("sd");
    const int64_t n = fields.Integer("n");
    if (answer.values.size() != runs || n != static_cast<int64_t>(runs)) {
      fields.Fail("values",
                  absl::StrCat("expected one value a run (", runs, "), got ",
                               answer.values.size(), " and n = ", n));
    }
    SEG_RETURN_IF_ERROR(fields.Finish());
    answers.push_back(answer);
  }
  return answers;
}

json FormatAnswers(const std::vector<Answer>& answers) {
  json list = json::array();
  for (const Answer& a : answers) {
    list.push_back(json{{"row", a.row},
                        {"metric", a.metric},
                        {"scale", a.scale},
                        {"values", a.values},
                        {"mean", a.mean},
                        {"sd", a.sd},
                        {"n", a.values.size()}});
  }
  return list;
}

absl::StatusOr<MeasuredRun> ParseRun(const json& node,
                                     const std::string& where) {
  Fields fields(node, where);
  MeasuredRun run;
  run.seed = fields.Integer("seed");
  run.eval = fields.Object("eval");
  run.train_seconds = fields.Number("train_seconds");
  run.eval_seconds = fields.Number("eval_seconds");
  run.interruptions = fields.Integer("interruptions");
  run.commit = fields.String("commit");
  run.train_commit = fields.String("train_commit");
  run.dirty = fields.Bool("dirty");
  run.date = fields.String("date");
  run.device = fields.String("device");
  Fields hardware(fields.Object("hardware"), where + ": hardware");
  if (fields.ok()) {
    run.hardware.cpu = hardware.String("cpu");
    run.hardware.cores = hardware.Integer("cores");
    run.hardware.gpu = hardware.String("gpu");
    SEG_RETURN_IF_ERROR(hardware.Finish());
  }
  run.train_fingerprint = fields.String("train_fingerprint");
  run.eval_fingerprint = fields.String("eval_fingerprint");
  SEG_RETURN_IF_ERROR(fields.Finish());
  return run;
}

std::string EvalPlaceholder(const MeasuredRun& run) {
  return absl::StrCat("@eval of seed ", run.seed, "@");
}

// `eval` is a placeholder, see FormatResult.
json FormatRun(const MeasuredRun& run) {
  return json{{"seed", run.seed},
              {"eval", EvalPlaceholder(run)},
              {"train_seconds", run.train_seconds},
              {"eval_seconds", run.eval_seconds},
              {"interruptions", run.interruptions},
              {"commit", run.commit},
              {"train_commit", run.train_commit},
              {"dirty", run.dirty},
              {"date", run.date},
              {"device", run.device},
              {"hardware",
               {{"cpu", run.hardware.cpu},
                {"cores", run.hardware.cores},
                {"gpu", run.hardware.gpu}}},
              {"train_fingerprint", run.train_fingerprint},
              {"eval_fingerprint", run.eval_fingerprint}};
}

}  // namespace

absl::StatusOr<ExperimentResult> ParseResult(const std::string& text,
                                             const std::string& file) {
  const json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (tree.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file,
        ": expected JSON, got a syntax error; restore the file or let "
        "//tools:reproduce write it anew"));
  }
  Fields fields(tree, file);
  ExperimentResult out;
  out.file = file;
  out.experiment = fields.String("experiment");
  out.data = fields.String("data");
  out.split = fields.String("split");
  out.config = fields.String("config");
  out.overrides = fields.Strings("overrides");
  out.eval_overrides = fields.Strings("eval_overrides");
  const json& runs = fields.List("runs");
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string where = absl::StrCat(file, ": runs[", i, "]");
    SEG_ASSIGN_OR_RETURN(MeasuredRun run, ParseRun(runs[i], where));
    if (i > 0 && run.seed <= out.runs.back().seed) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": seed: must be larger than the one before, got ", run.seed,
          " after ", out.runs.back().seed));
    }
    out.runs.push_back(std::move(run));
  }
  SEG_ASSIGN_OR_RETURN(
      out.answers,
      ParseAnswers(fields.List("answers"), file + ": answers", runs.size()));
  SEG_ASSIGN_OR_RETURN(out.stands_in_for,
                       ParseAnswers(fields.List("stands_in_for"),
                                    file + ": stands_in_for", runs.size()));
  SEG_RETURN_IF_ERROR(fields.Finish());
  return out;
}

std::string FormatResult(const ExperimentResult& result) {
  json runs = json::array();
  for (const MeasuredRun& run : result.runs) runs.push_back(FormatRun(run));
  const json tree = {{"experiment", result.experiment},
                     {"data", result.data},
                     {"split", result.split},
                     {"config", result.config},
                     {"overrides", result.overrides},
                     {"eval_overrides", result.eval_overrides},
                     {"answers", FormatAnswers(result.answers)},
                     {"stands_in_for", FormatAnswers(result.stands_in_for)},
                     {"runs", runs}};
  std::string text =
      tree.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  // What eval printed stays on one line: it may list every image.
  size_t at = 0;
  for (const MeasuredRun& run : result.runs) {
    const std::string placeholder = json(EvalPlaceholder(run)).dump();
    const std::string eval =
        run.eval.dump(-1, ' ', false, json::error_handler_t::replace);
    at = text.find("\"eval\": " + placeholder, at) + 8;
    text.replace(at, placeholder.size(), eval);
    at += eval.size();
  }
  return text;
}

absl::StatusOr<std::vector<ExperimentResult>> ReadResults(
    const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    return std::vector<ExperimentResult>();
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".json" && path.filename() != "verdicts.json" &&
        path.filename().string()[0] != '.') {
      paths.push_back(path.string());
    }
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(folder, ": cannot list: ", error.message()));
  }
  std::vector<ExperimentResult> results;
  for (const std::string& path : paths) {
    SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    SEG_ASSIGN_OR_RETURN(ExperimentResult result, ParseResult(text, path));
    const std::string name = std::filesystem::path(path).stem().string();
    if (result.experiment != name) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": experiment: expected ", name, " (the file's name), got ",
          result.experiment, "; rename the file"));
    }
    results.push_back(std::move(result));
  }
  std::sort(results.begin(), results.end(),
            [](const ExperimentResult& a, const ExperimentResult& b) {
              return a.experiment < b.experiment;
            });
  return results;
}

absl::StatusOr<double> EvalNumber(const MeasuredRun& run,
                                  const std::string& pointer) {
  // The parser of pointers throws on "a/b" and on a stray "~".
  json::json_pointer place;
  try {
    place = json::json_pointer(pointer);
  } catch (const json::exception&) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", pointer, "' is no JSON pointer"));
  }
  if (!run.eval.contains(place)) {
    return absl::NotFoundError(absl::StrCat(
        "seed ", run.seed, ": the output of eval has no ", pointer));
  }
  const json& value = run.eval[place];
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    return absl::InvalidArgumentError(
        absl::StrCat("seed ", run.seed, ": ", pointer,
                     ": expected a finite number, got ", value.dump()));
  }
  return value.get<double>();
}

absl::Status FillAnswers(ExperimentResult* result) {
  for (std::vector<Answer>* list : {&result->answers, &result->stands_in_for}) {
    for (Answer& answer : *list) {
      answer.values.clear();
      for (const MeasuredRun& run : result->runs) {
        absl::StatusOr<double> value = EvalNumber(run, answer.metric);
        if (!value.ok()) {
          return absl::Status(
              value.status().code(),
              absl::StrCat(result->experiment, ": row ", answer.row, ": ",
                           value.status().message(),
                           "; correct the key in protocol.yaml"));
        }
        answer.values.push_back(*value * answer.scale);
      }
      const MeanSd moments = ComputeMeanSd(answer.values);
      answer.mean = answer.values.empty() ? 0 : moments.mean;
      answer.sd = moments.sd;
    }
  }
  return absl::OkStatus();
}

}  // namespace seg
