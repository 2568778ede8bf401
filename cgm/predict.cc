// Labels photographs with a trained run: see README.md.
#include "common/app/predict.h"

#include "cgm/paper.h"

int main(int argc, char** argv) {
  return seg::PredictMain<seg::cgm::Paper>(argc, argv);
}
