// Trains a coarse parser, its refinement, or both: see README.md.
#include "common/app/train.h"

#include "spn/paper.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::spn::Paper>(argc, argv);
}
