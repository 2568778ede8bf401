#include "tools/reproduce/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace seg {
namespace {

volatile pid_t child = 0;

void Forward(int signal) {
  NoteInterrupt();
  if (child > 0) kill(child, signal);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) {
    out.push_back(const_cast<char*>(text.c_str()));
  }
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> Environment(
    const std::map<std::string, std::string>& changes) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (changes.count(text.substr(0, text.find('='))) == 0) out.push_back(text);
  }
  for (const auto& [name, value] : changes) {
    out.push_back(absl::StrCat(name, "=", value));
  }
  return out;
}

// Puts `path` in the place of descriptor `target`; only calls that are safe
// between fork and exec.
void Redirect(const char* path, int flags, int target) {
  const int fd = open(path, flags, 0644);
  if (fd < 0) _exit(126);
  if (fd != target) {
    dup2(fd, target);
    close(fd);
  }
}

}  // namespace

absl::StatusOr<ProcessEnd> RunProcess(const Process& process) {
  const std::vector<char*> argv = Pointers(process.argv);
  const std::vector<std::string> texts = Environment(process.environment);
  const std::vector<char*> envp = Pointers(texts);

  // No signal may come between fork() and the assignment of `child`.
  sigset_t both, old;
  sigemptyset(&both);
  sigaddset(&both, SIGINT);
  sigaddset(&both, SIGTERM);
  sigprocmask(SIG_BLOCK, &both, &old);
  const auto start = std::chrono::steady_clock::now();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(125);  // it died before prctl
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, nullptr);
    Redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    if (!process.stdout_path.empty()) {
      Redirect(process.stdout_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
               STDOUT_FILENO);
    }
    if (process.quiet) Redirect("/dev/null", O_WRONLY, STDERR_FILENO);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  const int error = errno;
  child = pid > 0 ? pid : 0;
  sigprocmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) {
    return absl::UnavailableError(absl::StrCat(
        process.argv[0], ": cannot start: ", std::strerror(error)));
  }
  int status = 0;
  struct rusage usage = {};
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  child = 0;
  ProcessEnd end;
  end.peak_mib = usage.ru_maxrss / 1024;
  end.exit_code =
      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  end.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return end;
}

void ForwardSignals() {
  struct sigaction action = {};
  action.sa_handler = Forward;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace seg
