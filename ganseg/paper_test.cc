#include "ganseg/paper.h"

#include "common/testing/paper_test.h"
#include "ganseg/tiny_config.h"

namespace seg {

template <>
PaperTestOptions TestOptions<ganseg::Paper>() {
  PaperTestOptions options;
  // Three steps of the GAN, then the segmenter's.
  options.small = ganseg::SmallOverrides();
  options.small.push_back("gan_steps=3");
  options.predicting = {"gan_steps=1"};
  // What it learns four images of is not the data's but the generator's.
  options.overfit = {"gan_steps=1", "segmenter.batch_size=4",
                     "segmenter.optimizer.lr=0.01"};
  options.overfit_loss = "segmenter_cross_entropy";
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(Ganseg, PaperTest, ganseg::Paper);

}  // namespace seg
