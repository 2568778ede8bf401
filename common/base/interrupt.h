// SIGINT and SIGTERM as a flag that a loop looks at.
#ifndef COMMON_BASE_INTERRUPT_H_
#define COMMON_BASE_INTERRUPT_H_

namespace seg {

// While one lives, the first SIGINT or SIGTERM sets Interrupted() and the
// second ends the process as usual. One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

bool Interrupted();

// Sets Interrupted(); for a signal handler of one's own, where it may be
// called.
void NoteInterrupt();
void ClearInterrupted();  // for tests

}  // namespace seg

#endif  // COMMON_BASE_INTERRUPT_H_
