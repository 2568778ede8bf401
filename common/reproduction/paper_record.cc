#include "common/reproduction/paper_record.h"

#include "common/base/status_macros.h"

namespace seg {

absl::StatusOr<PaperRecord> ReadPaperRecord(const std::string& paper_folder) {
  PaperRecord record;
  SEG_ASSIGN_OR_RETURN(record.ledger,
                       ReadLedger(paper_folder + "/reported.yaml"));
  SEG_ASSIGN_OR_RETURN(
      record.protocol,
      ReadProtocol(paper_folder + "/protocol.yaml", record.ledger));
  SEG_ASSIGN_OR_RETURN(record.results, ReadResults(paper_folder + "/results"));
  SEG_ASSIGN_OR_RETURN(record.verdicts,
                       ReadVerdicts(paper_folder + "/results"));
  return record;
}

}  // namespace seg
