// Trains a generator of pictures and parts, then a segmenter: see README.md.
#include "common/app/train.h"

#include "ganseg/paper.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::ganseg::Paper>(argc, argv);
}
