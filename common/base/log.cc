#include "common/base/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "common/base/printable.h"

namespace seg {
namespace {

struct Sink {
  std::mutex mutex;
  std::FILE* file = nullptr;
  bool line_open = false;  // a progress line stands on the terminal
};

Sink& TheSink() {
  static Sink* const sink = new Sink;
  return *sink;
}

bool StderrIsTerminal() {
  static const bool is_terminal = isatty(STDERR_FILENO) == 1;
  return is_terminal;
}

void WriteLine(const std::string& message) {
  const std::string line = PrintableLines(message);
  Sink& sink = TheSink();
  const std::lock_guard<std::mutex> lock(sink.mutex);
  if (sink.line_open) std::fputs("\r\033[K", stderr);
  sink.line_open = false;
  std::fprintf(stderr, "%s\n", line.c_str());
  if (sink.file != nullptr) {
    std::fprintf(sink.file, "%s\n", line.c_str());
    std::fflush(sink.file);
  }
}

}  // namespace

void LogInfo(const std::string& message) { WriteLine(message); }

void LogWarning(const std::string& message) {
  WriteLine("warning: " + message);
}

absl::Status SetLogFile(const std::string& path) {
  Sink& sink = TheSink();
  const std::lock_guard<std::mutex> lock(sink.mutex);
  if (sink.file != nullptr) std::fclose(sink.file);
  sink.file = nullptr;
  if (path.empty()) return absl::OkStatus();
  sink.file = std::fopen(path.c_str(), "a");
  if (sink.file == nullptr) {
    return absl::UnavailableError(
        path + ": cannot be written: " + std::strerror(errno));
  }
  return absl::OkStatus();
}

void LogProgress(const std::string& line, bool keep) {
  if (keep) return WriteLine(line);
  if (!StderrIsTerminal()) return;
  Sink& sink = TheSink();
  const std::lock_guard<std::mutex> lock(sink.mutex);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  sink.line_open = true;
}

}  // namespace seg
