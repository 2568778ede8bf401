// Labels photographs: see README.md.
#include "common/app/predict.h"

#include "segnet_rerank/paper.h"

int main(int argc, char** argv) {
  return seg::PredictMain<seg::segnet_rerank::Paper>(argc, argv);
}
