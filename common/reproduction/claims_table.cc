#include "common/reproduction/claims_table.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/reproduction/markdown.h"

namespace seg {
namespace {

// A verdict on a claim, from results or by hand.
struct Shown {
  std::string data;
  Verdict verdict;
  const PairedResult* statistics = nullptr;  // null: by hand
  bool measured_by_test = false;
  std::string tried;
};

std::vector<Shown> VerdictsOn(const Claim& claim,
                              const std::vector<ClaimVerdict>& verdicts) {
  std::vector<Shown> out;
  std::set<std::string> seen;
  for (const ClaimVerdict& v : verdicts) {
    if (v.claim != claim.id) continue;
    seen.insert(v.data);
    out.push_back({v.data, v.statistics.verdict, &v.statistics, false, ""});
    for (const RecordedVerdict& r : claim.verdicts) {
      if (r.data == v.data) out.back().tried = r.tried;
    }
  }
  for (const RecordedVerdict& r : claim.verdicts) {
    if (!seen.insert(r.data).second) continue;
    out.push_back({r.data, r.verdict, nullptr, r.measured_by_test, r.tried});
  }
  return out;
}

std::string Numbers(const PairedResult& s) {
  std::string out = absl::StrFormat("%+.3g", s.mean);
  if (s.differences.size() > 1) {
    absl::StrAppend(&out, " ", kPlusMinus, " ", absl::StrFormat("%.2g", s.sd));
  }
  return out + CountNote(s.differences.size());
}

}  // namespace

std::string RenderClaims(const Ledger& ledger,
                         const std::vector<ClaimVerdict>& verdicts) {
  if (ledger.claims.empty()) return "";
  MarkdownTable table;
  for (const char* column : {"Claim", "Source", "Data", "Verdict"}) {
    table.AddColumn(column, false);
  }
  table.AddColumn("In favour");
  Footnotes footnotes;
  for (const Claim& claim : ledger.claims) {
    std::string label = Escape(claim.text), source = Escape(claim.source);
    const std::vector<Shown> shown = VerdictsOn(claim, verdicts);
    for (const Shown& v : shown) {
      table.AddRow(
          {label, source, Escape(v.data),
           absl::StrCat(
               ToString(v.verdict),
               v.measured_by_test ? " (reproduction_test)" : "",
               v.tried.empty() ? "" : footnotes.Mark("Tried: " + v.tried)),
           v.statistics == nullptr ? kNone : Numbers(*v.statistics)});
      label = source = "";  // the next line is about the same claim
    }
    if (!claim.reason.empty()) {
      table.AddRow({label, source, kNone,
                    "not measured" + footnotes.Mark(claim.reason), kNone});
    } else if (shown.empty()) {
      table.AddRow({label, source, kNone, "not measured yet", kNone});
    }
  }
  std::string out = table.Text();
  if (!footnotes.empty()) absl::StrAppend(&out, "\n", footnotes.List());
  return out;
}

std::string ClaimCounts::Text() const {
  return absl::StrCat("held ", held, ", not held ", not_held, ", undecided ",
                      undecided);
}

ClaimCounts CountClaims(const Ledger& ledger,
                        const std::vector<ClaimVerdict>& verdicts) {
  ClaimCounts counts;
  for (const Claim& claim : ledger.claims) {
    if (absl::StartsWith(claim.source, "ours")) continue;
    const std::vector<Shown> shown = VerdictsOn(claim, verdicts);
    if (shown.empty()) ++counts.open;
    for (const Shown& v : shown) {
      ++(v.verdict == Verdict::kHeld      ? counts.held
         : v.verdict == Verdict::kNotHeld ? counts.not_held
                                          : counts.undecided);
      if (std::find(counts.data.begin(), counts.data.end(), v.data) ==
          counts.data.end()) {
        counts.data.push_back(v.data);
      }
    }
  }
  return counts;
}

}  // namespace seg
