#include "common/testing/in_children.h"

#include <ATen/Parallel.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace seg {
namespace {

using nlohmann::json;

// {"status": code, "message": text} or {"status": 0, "result": ...}.
json RunGuarded(const Measurement& measurement) {
  try {
    const absl::StatusOr<json> result = measurement();
    if (result.ok()) return {{"status", 0}, {"result", *result}};
    return {{"status", static_cast<int>(result.status().code())},
            {"message", std::string(result.status().message())}};
  } catch (const std::exception& e) {
    return {{"status", static_cast<int>(absl::StatusCode::kInternal)},
            {"message", e.what()}};
  }
}

void WriteAll(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) _exit(3);
    done += static_cast<size_t>(n);
  }
}

// To the end of the file: until the child has closed its end.
std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

absl::StatusOr<std::vector<json>> MeasureInChildren(
    const std::vector<Measurement>& measurements, int64_t at_once) {
  struct Child {
    size_t index;
    FILE* out;  // a file, not a pipe: no child waits for its reader
  };
  std::map<pid_t, Child> running;
  std::vector<json> results(measurements.size());
  absl::Status status;
  size_t next = 0;
  while (next < measurements.size() || !running.empty()) {
    if (next < measurements.size() &&
        static_cast<int64_t>(running.size()) < at_once) {
      FILE* out = std::tmpfile();
      if (out == nullptr) return absl::UnavailableError("no temporary file");
      std::fflush(nullptr);  // or the child would print it once more
      const pid_t pid = fork();
      if (pid < 0) return absl::UnavailableError("cannot fork");
      if (pid == 0) {
        if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(2);
        at::set_num_threads(1);
        WriteAll(fileno(out), RunGuarded(measurements[next]).dump());
        _exit(0);
      }
      running[pid] = {next++, out};
      continue;
    }
    int wait_status = 0;
    const pid_t pid = waitpid(-1, &wait_status, 0);
    if (pid < 0 && errno == EINTR) continue;
    const auto it = running.find(pid);
    if (it == running.end()) continue;
    const Child child = it->second;
    running.erase(it);
    std::rewind(child.out);
    const json told = json::parse(ReadAll(fileno(child.out)), nullptr,
                                  /*allow_exceptions=*/false);
    std::fclose(child.out);
    absl::Status own;
    if (wait_status != 0 || !told.is_object()) {
      own = absl::InternalError(absl::StrCat(
          "measurement ", child.index, " died, wait status ", wait_status));
    } else if (told["status"] != 0) {
      own =
          absl::Status(static_cast<absl::StatusCode>(told["status"].get<int>()),
                       told["message"].get<std::string>());
    } else {
      results[child.index] = told["result"];
    }
    if (!own.ok() && status.ok()) status = own;
  }
  if (!status.ok()) return status;
  return results;
}

}  // namespace seg
