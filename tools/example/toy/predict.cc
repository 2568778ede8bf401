#include "common/app/predict.h"

#include "tools/example/toy/toy.h"

int main(int argc, char** argv) {
  return seg::PredictMain<seg::toy::Paper>(argc, argv);
}
