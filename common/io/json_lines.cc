#include "common/io/json_lines.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

bool ParseObject(absl::string_view line, nlohmann::json* object) {
  *object = nlohmann::json::parse(line.begin(), line.end(), nullptr,
                                  /*allow_exceptions=*/false);
  return object->is_object();
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonLinesWriter>> JsonLinesWriter::Open(
    const std::string& path) {
  SEG_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file,
                       AppendFile::Open(path, /*must_be_new=*/false));
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  const size_t whole = bytes.rfind('\n') + 1;  // npos + 1 == 0
  nlohmann::json object;
  if (whole < bytes.size()) {
    if (ParseObject(absl::string_view(bytes).substr(whole), &object)) {
      SEG_RETURN_IF_ERROR(file->Append("\n"));  // it lacks nothing else
    } else {
      SEG_RETURN_IF_ERROR(file->Truncate(static_cast<int64_t>(whole)));
    }
  }
  return std::unique_ptr<JsonLinesWriter>(new JsonLinesWriter(std::move(file)));
}

absl::Status JsonLinesWriter::Append(const nlohmann::json& object) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file_->path(), ": a line must be a JSON object, got ",
                     object.type_name()));
  }
  return file_->Append(
      object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
      "\n");
}

absl::Status JsonLinesWriter::Sync() { return file_->Sync(); }

absl::StatusOr<std::vector<nlohmann::json>> ReadJsonLines(
    const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  std::vector<nlohmann::json> lines;
  absl::string_view rest = bytes;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const bool whole = end != absl::string_view::npos;
    const absl::string_view line = rest.substr(0, end);
    rest.remove_prefix(whole ? end + 1 : rest.size());
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    nlohmann::json value;
    if (!ParseObject(line, &value)) {
      if (!whole) break;
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, " is not a JSON object"));
    }
    lines.push_back(std::move(value));
  }
  return lines;
}

}  // namespace seg
