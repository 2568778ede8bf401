#include "common/app/train.h"

#include "tools/example/toy/toy.h"

int main(int argc, char** argv) {
  return seg::TrainMain<seg::toy::Paper>(argc, argv);
}
