// Labels photographs with a trained run: see README.md.
#include "common/app/predict.h"

#include "crfgrad/paper.h"

int main(int argc, char** argv) {
  return seg::PredictMain<seg::crfgrad::Paper>(argc, argv);
}
