// Trains proposals, network and ranker: see README.md.
#include "common/app/train.h"

#include "segnet_rerank/paper.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::segnet_rerank::Paper>(argc, argv);
}
