#include "common/testing/count_operators.h"

#include <ATen/record_function.h>

#include <memory>

namespace seg {
namespace {

thread_local std::string counted;
thread_local int64_t calls;

std::unique_ptr<at::ObserverContext> Count(const at::RecordFunction& function) {
  if (counted == function.name()) ++calls;
  return nullptr;
}

}  // namespace

int64_t CountOperators(const std::string& name,
                       const std::function<void()>& body) {
  counted = name;
  calls = 0;
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&Count).scopes({at::RecordScope::FUNCTION}));
  body();
  at::removeCallback(handle);
  return calls;
}

}  // namespace seg
