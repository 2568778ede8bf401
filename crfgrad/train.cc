// Trains an FCN with or without the CRF-Grad layer: see README.md.
#include "common/app/train.h"

#include "crfgrad/paper.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::crfgrad::Paper>(argc, argv);
}
