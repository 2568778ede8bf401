// What evaluation.h measures, as JSON and as text.
#ifndef CGM_SCORE_TABLE_H_
#define CGM_SCORE_TABLE_H_

#include <string>
#include <vector>

#include "cgm/evaluation.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace cgm {

// Into what eval --json prints, under "metrics": image_iou (of the first path),
// PATH/image_iou, negative_cll, monte_carlo/negative_cll, .., and two figures
// of the paper's statements: both_minus_gen (image IoU of the paths), and
// sigma_q_over_p.
void AddScores(const std::vector<PathScores>& paths,
               const GenerativeScores& scores, nlohmann::json* json);
std::string ScoreTable(const std::vector<PathScores>& paths,
                       const GenerativeScores& scores);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_SCORE_TABLE_H_
