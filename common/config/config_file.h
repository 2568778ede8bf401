// A configuration from its file.
#ifndef COMMON_CONFIG_CONFIG_FILE_H_
#define COMMON_CONFIG_CONFIG_FILE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/config/config.h"

namespace seg {

// A file, and what is laid over it: "key.path=value".
struct ConfigSource {
  std::string file;
  std::vector<std::string> overrides = {};
};

namespace config_internal {

absl::StatusOr<std::string> ReadConfigText(const std::string& file);

}  // namespace config_internal

// ParseConfig (config.h) of a file. Errors are of usage: those of ParseConfig,
// a file that cannot be read, one above 1 MiB.
template <typename Config>
absl::Status LoadConfigFile(const ConfigSource& source, Config* config) {
  SEG_ASSIGN_OR_RETURN(const std::string text,
                       config_internal::ReadConfigText(source.file));
  return UsageError(ParseConfig(text, source.file, source.overrides, config));
}

}  // namespace seg

#endif  // COMMON_CONFIG_CONFIG_FILE_H_
