// Labels photographs with a trained run, or with a dense CRF on probabilities
// of another system: see README.md.
#include "common/app/main.h"
#include "crfgrad/fixed.h"
#include "crfgrad/paper.h"

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kPredict,
                      seg::crfgrad::Paper::kName,
                      seg::crfgrad::RunPredictWithOrWithoutRun);
}
