// Strict reading of JSON objects: every key is asked for by type, the first
// error is kept, and Finish() refuses what nobody asked for.
//
//   Fields fields(node, "reported.yaml: rows[3]");
//   row.id = fields.String("id");
//   row.value = fields.Number("value");
//   SEG_RETURN_IF_ERROR(fields.Finish());
//
// Errors read "WHERE: key: expected a string, got 7; REMEDY".
#ifndef COMMON_IO_STRICT_JSON_H_
#define COMMON_IO_STRICT_JSON_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace seg {

class Fields {
 public:
  // `node` must outlive this object. If it is no object, Finish() says so.
  Fields(const nlohmann::json& node, std::string where);

  bool Has(const std::string& key) const;

  // Required: a missing key is an error. Strings must not be empty.
  std::string String(const std::string& key);
  double Number(const std::string& key);
  int64_t Integer(const std::string& key);
  bool Bool(const std::string& key);
  std::vector<std::string> Strings(const std::string& key);
  std::vector<double> Numbers(const std::string& key);
  std::vector<int64_t> Integers(const std::string& key);
  // Any value; an empty array where it is missing.
  const nlohmann::json& List(const std::string& key);
  const nlohmann::json& Object(const std::string& key);

  // Says what is wrong with the value of `key`; the first call counts.
  void Fail(const std::string& key, const std::string& what);

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }  // so far
  absl::Status Finish() const;

  // For error messages about parts of this object.
  const std::string& where() const { return where_; }
  void set_where(std::string where) { where_ = std::move(where); }

 private:
  // The value of a required key of the right kind, else null after Fail().
  const nlohmann::json* Find(const std::string& key, const char* expected,
                             bool (*fits)(const nlohmann::json&));

  const nlohmann::json& node_;
  std::string where_;
  absl::Status status_;
  std::set<std::string> known_;          // read
  mutable std::set<std::string> asked_;  // Has(): for the nearest name only
};

}  // namespace seg

#endif  // COMMON_IO_STRICT_JSON_H_
