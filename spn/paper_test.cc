#include "spn/paper.h"

#include "common/testing/paper_test.h"

namespace seg {

template <>
PaperTestOptions TestOptions<spn::Paper>() {
  PaperTestOptions options;
  options.small = {"coarse.source=parser",     "coarse.widths=[4,8]",
                   "coarse.scale=1",           "patch.size=16",
                   "refine.channels=2",        "refine.guidance_widths=[4,8]",
                   "data.synthetic.height=48", "data.synthetic.width=48"};
  options.overfit_steps = 60;
  options.overfit = {"train.optimizer.lr=0.01", "patch.size=0"};
  options.input_sizes = {"refine.pad_to=40"};
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(Spn, PaperTest, spn::Paper);

}  // namespace seg
