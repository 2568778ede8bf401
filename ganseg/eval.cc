// Evaluates a trained run on a split: see README.md.
#include "common/app/eval.h"

#include "ganseg/paper.h"

int main(int argc, char** argv) {
  return seg::EvalMain<seg::ganseg::Paper>(argc, argv);
}
