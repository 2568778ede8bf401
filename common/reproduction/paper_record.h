// Everything on record about a paper, as it lies in the paper's folder.
#ifndef COMMON_REPRODUCTION_PAPER_RECORD_H_
#define COMMON_REPRODUCTION_PAPER_RECORD_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"

namespace seg {

struct PaperRecord {
  Ledger ledger;                          // reported.yaml
  Protocol protocol;                      // protocol.yaml
  std::vector<ExperimentResult> results;  // results/EXPERIMENT.json
  std::vector<ClaimVerdict> verdicts;     // results/verdicts.json
};

absl::StatusOr<PaperRecord> ReadPaperRecord(const std::string& paper_folder);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_PAPER_RECORD_H_
