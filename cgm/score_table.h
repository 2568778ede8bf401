// What GenerativeMeasure measures, as metrics and as text.
#ifndef CGM_SCORE_TABLE_H_
#define CGM_SCORE_TABLE_H_

#include <string>

#include "cgm/evaluation.h"
#include "common/evaluation/measure.h"

namespace seg {
namespace cgm {

// negative_cll, monte_carlo/negative_cll, .., kl, sigma_p and so on; and one
// figure of the paper's statements, sigma_q_over_p.
void AddScores(const GenerativeScores& scores, Metrics* metrics);

// One line a score; "" where nothing was measured.
std::string ScoreTable(const GenerativeScores& scores);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_SCORE_TABLE_H_
