#include "crfgrad/paper.h"

#include "common/testing/paper_test.h"

namespace seg {

template <>
PaperTestOptions TestOptions<crfgrad::Paper>() {
  PaperTestOptions options;
  options.small = {"data.synthetic.height=32", "data.synthetic.width=48",
                   "loss.unary_steps=1", "crf.iterations=2"};
  options.overfit_steps = 60;
  options.overfit = {"loss.unary_steps=60", "train.optimizer.lr=0.01"};
  options.input_sizes = {"model.input_size=32"};
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(CrfGrad, PaperTest, crfgrad::Paper);

}  // namespace seg
