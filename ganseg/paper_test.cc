#include "ganseg/paper.h"

#include "common/testing/paper_test.h"

namespace seg {

template <>
PaperTestOptions TestOptions<ganseg::Paper>() {
  PaperTestOptions options;
  // Three steps of the GAN, then the segmenter's.
  options.small = {"gan_steps=3",
                   "generator.parts=2",
                   "generator.points_per_part=2",
                   "generator.noise_size=8",
                   "generator.mlp_width=8",
                   "generator.spade_hidden=4",
                   "generator.adain_hidden=4",
                   "generator.mask_channels=[4,4]",
                   "generator.foreground_channels=[4,4,4]",
                   "generator.background_channels=[4,4,4]",
                   "discriminator.channels=[4,4]",
                   "discriminator.fc_width=8",
                   "segmenter.channels=8",
                   "segmenter.batch_size=2",
                   "eval.samples=4"};
  options.predicting = {"gan_steps=1"};
  // What it learns four images of is not the data's but the generator's.
  options.overfit = {"gan_steps=1", "segmenter.batch_size=4",
                     "segmenter.optimizer.lr=0.01"};
  options.overfit_loss = "segmenter_cross_entropy";
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(Ganseg, PaperTest, ganseg::Paper);

}  // namespace seg
