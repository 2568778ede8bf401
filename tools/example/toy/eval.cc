#include "common/app/eval.h"

#include "tools/example/toy/toy.h"

int main(int argc, char** argv) {
  return seg::EvalMain<seg::toy::Paper>(argc, argv);
}
