#include "common/base/interrupt.h"

#include <csignal>

namespace seg {
namespace {

volatile std::sig_atomic_t is_interrupted = 0;

void OnSignal(int) {
  NoteInterrupt();
  // The second, whichever of the two it is, ends the process.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

InterruptScope::InterruptScope() {
  ClearInterrupted();
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
}

InterruptScope::~InterruptScope() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool Interrupted() { return is_interrupted != 0; }

void NoteInterrupt() { is_interrupted = 1; }

void ClearInterrupted() { is_interrupted = 0; }

}  // namespace seg
