// Steps of a pipeline whose results are folders: proposals of a network, their
// features, what is fitted to the features.
//
//   ROOT/NAME-FINGERPRINT/        a result; done.json in it lists its files
//   ROOT/NAME-FINGERPRINT.part/   one in the making: result/ and a lock
//
//   seg::StageKey proposals = {"proposals", json(config.proposals), {weights}};
//   SEG_ASSIGN_OR_RETURN(const std::string folder,
//                        seg::EnsureStage(run + "/stages", proposals, make));
//   seg::StageKey features = {"features", json(config.features),
//                             {seg::Fingerprint(proposals)}};
//
// A key says all that a result depends on. So another configuration, or another
// configuration of a stage before, has another folder; the old one stays.
#ifndef COMMON_STAGES_STAGE_H_
#define COMMON_STAGES_STAGE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace seg {

struct StageKey {
  std::string name;                 // [A-Za-z0-9_-]+
  nlohmann::json config;            // keys and the seed that it depends on
  std::vector<std::string> inputs;  // fingerprints of stages and files it reads
};

// 16 hexadecimal digits.
std::string Fingerprint(const StageKey& key);

// Of a file's bytes: for inputs that no stage makes, such as weights.
absl::StatusOr<std::string> FileFingerprint(const std::string& path);

// The folder of the stage's result under `root` (made where missing), by `make`
// unless it is there whole. Every file is read once and compared with the size
// and the hash in done.json.
//   make: fills the folder that it is given. After a kill or an error it is
//     called again with what it left there: it keeps the items that are whole
//     (EnsureItem) and goes on. It may hold files, folders and symbolic links.
// A result with a file that is missing, changed or not its own is mended with a
// warning that names the file: what is damaged is removed and `make` is called
// with the rest; where done.json itself is damaged, nothing is kept.
// A kill at any moment leaves a whole result, or none and a part that the next
// call goes on with.
// Errors: what `make` returned, behind the stage's name; kAlreadyExists when
// another program makes the stage; those of files.
absl::StatusOr<std::string> EnsureStage(
    const std::string& root, const StageKey& key,
    const std::function<absl::Status(const std::string& folder)>& make);

// An item of a stage: the file FOLDER/NAME (NAME may have folders), written
// whole by what `make` returns unless it is there. kCancelled, before `make`,
// once the program is interrupted (common/base/interrupt.h).
absl::Status EnsureItem(
    const std::string& folder, const std::string& name,
    const std::function<absl::StatusOr<std::string>()>& make);

}  // namespace seg

#endif  // COMMON_STAGES_STAGE_H_
