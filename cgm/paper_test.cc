#include "cgm/paper.h"

#include "common/testing/paper_test.h"

namespace seg {

template <>
PaperTestOptions TestOptions<cgm::Paper>() {
  PaperTestOptions options;
  options.small = {"model.width=0.05", "evaluation.generative=false",
                   "data.synthetic.height=32", "data.synthetic.width=32"};
  options.overfit_steps = 80;
  options.overfit = {"corruption.type=none", "train.optimizer.lr=0.01"};
  options.stride = 16;
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(Cgm, PaperTest, cgm::Paper);

}  // namespace seg
