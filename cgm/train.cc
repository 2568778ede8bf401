// Trains a CNN or a conditional generative model: see README.md.
#include "common/app/train.h"

#include "cgm/paper.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::cgm::Paper>(argc, argv);
}
