#include "common/app/paper_config.h"

#include "common/evaluation/same_classes.h"

namespace seg {

SEG_DEFINE_CONFIG(EvalConfig, classes, mean_classes)

std::vector<KeyRule> PaperRules(std::vector<KeyRule> own) {
  own.push_back(SameClassesRule());
  own.push_back({"report_pictures", 0, 1000});
  AddRules("data", DataConfig::Rules(), &own);
  AddRules("train", TrainConfig::Rules(), &own);
  return own;
}

}  // namespace seg
