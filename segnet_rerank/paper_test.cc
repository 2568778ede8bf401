#include "segnet_rerank/paper.h"

#include "common/testing/paper_test.h"

namespace seg {

template <>
PaperTestOptions TestOptions<segnet_rerank::Paper>() {
  PaperTestOptions options;
  options.small = {"folds=2",
                   "fold_steps=2",
                   "regions.superpixels=40",
                   "regions.max_regions=10",
                   "o2p.dimensions=8",
                   "o2p.axes_regions=20",
                   "proposals.proposals=4",
                   "segnet.trunk=tiny",
                   "segnet.weights=''",
                   "segnet.grid=6",
                   "segnet.width=16",
                   "rank.c=[1]",
                   "loss.type=cross_entropy",
                   "loss.cross_entropy_steps=0"};
  options.overfit = {"segnet.dropout=0", "train.optimizer.lr=0.05"};
  return options;
}

INSTANTIATE_TYPED_TEST_SUITE_P(SegnetRerank, PaperTest, segnet_rerank::Paper);

}  // namespace seg
