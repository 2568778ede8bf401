// Measures a run on a split: see README.md.
#include "common/app/eval.h"

#include "segnet_rerank/paper.h"

int main(int argc, char** argv) {
  return seg::EvalMain<seg::segnet_rerank::Paper>(argc, argv);
}
