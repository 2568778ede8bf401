// Finds parts in photographs with a trained run: see README.md.
#include "common/app/predict.h"

#include "ganseg/paper.h"

int main(int argc, char** argv) {
  return seg::PredictMain<seg::ganseg::Paper>(argc, argv);
}
