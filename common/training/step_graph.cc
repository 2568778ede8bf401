#include "common/training/step_graph.h"

namespace seg {
namespace {

StepGraphFactory& Factory() {
  static StepGraphFactory factory = nullptr;
  return factory;
}

}  // namespace

std::unique_ptr<StepGraph> MakeStepGraph() {
  return Factory() == nullptr ? nullptr : Factory()();
}

void RegisterStepGraph(StepGraphFactory factory) { Factory() = factory; }

}  // namespace seg
