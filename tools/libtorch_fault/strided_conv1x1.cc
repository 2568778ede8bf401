// What a CPU makes of the weight gradient of a 1x1 convolution with stride 2 in
// channels-last memory (third_party/libtorch/KNOWN_FAULTS.md): one line a case,
// each in a process of its own.
//
//   strided_conv1x1 [--guard=1] [--threads=1]
//
// --guard=1 puts every aligned block of memory before pages that cannot be
// touched, so that the first access past its end is caught where it happens;
// --guard=0 leaves the heap as it is: crashes, hangs and wrong gradients show
// then, as far as they happen to. AddressSanitizer has the heap to itself:
// built with it, the program guards nothing. Exit code 1 where any case was not
// right.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/csrc/autograd/autograd.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#if !defined(__SANITIZE_ADDRESS__)
#define SEG_CAN_GUARD
extern "C" {
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* p);
}
#endif

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kForbidden = 16 * kPage;
constexpr unsigned kSecondsOfACase = 20;

// Blocks that end at forbidden pages. They are never given back: a process
// makes a few hundred.
struct Block {
  char* begin;
  size_t size;  // to the forbidden pages
};
constexpr size_t kMaxBlocks = 4096;
Block blocks[kMaxBlocks];
std::atomic<size_t> num_blocks{0};
std::atomic<bool> guarding{false};

const Block* FindBlock(const void* address, size_t beyond) {
  const char* p = static_cast<const char*>(address);
  const size_t count = num_blocks;
  for (size_t i = 0; i < count && i < kMaxBlocks; ++i) {
    if (p >= blocks[i].begin && p < blocks[i].begin + blocks[i].size + beyond) {
      return &blocks[i];
    }
  }
  return nullptr;
}

[[maybe_unused]] void* Guarded(size_t alignment, size_t size) {
  const size_t used = (size + alignment - 1) / alignment * alignment;
  const size_t body = (used + kPage - 1) / kPage * kPage;
  const size_t index = num_blocks.fetch_add(1);
  if (index >= kMaxBlocks) return nullptr;
  char* map = static_cast<char*>(mmap(nullptr, body + kForbidden,
                                      PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (map == MAP_FAILED) return nullptr;
  mprotect(map + body, kForbidden, PROT_NONE);
  blocks[index] = {map + body - used, used};
  return blocks[index].begin;
}

// Stdout is the pipe to the parent.
void Say(const std::string& text) {
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(2);
}

[[maybe_unused]] void OnSegmentationFault(int, siginfo_t* info, void* context) {
  const auto* registers = static_cast<ucontext_t*>(context);
  const bool is_write = (registers->uc_mcontext.gregs[REG_ERR] & 2) != 0;
  const Block* block = FindBlock(info->si_addr, kForbidden);
  char text[160] = "segmentation fault";
  if (block != nullptr) {
    std::snprintf(text, sizeof(text), "%s byte %td of a block of %zu bytes",
                  is_write ? "WRITES" : "reads",
                  static_cast<char*>(info->si_addr) - block->begin,
                  block->size);
  }
  Say(text);
  _exit(1);
}

struct Case {
  int64_t in, out, stride;
  bool channels_last_input, channels_last_weight;
};

at::Tensor Layout(const at::Tensor& x, bool channels_last) {
  return channels_last ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
}

// Gradients of input and weight under the cotangent g.
std::vector<at::Tensor> Gradients(const at::Tensor& x, const at::Tensor& w,
                                  const at::Tensor& g, int64_t stride) {
  const std::array<int64_t, 2> strides = {stride, stride};
  const at::Tensor y = at::conv2d(x, w, {}, strides);
  return torch::autograd::grad({y}, {x, w}, {g});
}

// In the child: says what became of a case.
void Run(const Case& c, bool guard, int threads) {
  at::set_num_threads(threads);
  constexpr int64_t kBatch = 32, kSize = 32;
  const at::Tensor x = at::randn({kBatch, c.in, kSize, kSize});
  const at::Tensor w = at::randn({c.out, c.in, 1, 1});
  // The same by every second pixel and stride 1, planar.
  const at::Tensor every =
      x.slice(2, 0, kSize, c.stride).slice(3, 0, kSize, c.stride).contiguous();
  const at::Tensor g = at::randn({kBatch, c.out, every.size(2), every.size(3)});
  const at::Tensor expected =
      Gradients(every.clone().set_requires_grad(true),
                w.clone().set_requires_grad(true), g, 1)[1];
  const at::Tensor x_leaf =
      Layout(x, c.channels_last_input).detach().set_requires_grad(true);
  const at::Tensor w_leaf =
      Layout(w, c.channels_last_weight).detach().set_requires_grad(true);
  guarding = guard;
  const at::Tensor got = Gradients(x_leaf, w_leaf, g, c.stride)[1];
  guarding = false;
  const double error =
      ((got - expected).abs().max() / expected.abs().max()).item<double>();
  Say(error < 1e-4 ? "right"
                   : "WRONG weight gradient, by " + std::to_string(error) +
                         " of the largest");
}

// True where the case is right.
bool Report(const Case& c, bool guard, int threads) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);  // what glibc says of its heap
    close(ends[0]);
#if defined(SEG_CAN_GUARD)
    struct sigaction action = {};
    action.sa_sigaction = OnSegmentationFault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
#endif
    alarm(kSecondsOfACase);
    Run(c, guard, threads);
    std::exit(0);
  }
  close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    said.append(buffer, n);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (WIFSIGNALED(status)) {
    said += said.empty() ? "" : ", then ";
    said += WTERMSIG(status) == SIGALRM
                ? "HANGS"
                : std::string("DIES: ") + strsignal(WTERMSIG(status));
  }
  std::printf("%5ld %6ld %7ld   %-14s %-14s %s\n", c.in, c.out, c.stride,
              c.channels_last_input ? "channels last" : "planar",
              c.channels_last_weight ? "channels last" : "planar",
              said.c_str());
  std::fflush(stdout);
  return said == "right";
}

}  // namespace

#if defined(SEG_CAN_GUARD)
// These take the place of glibc's, for LibTorch too.
extern "C" int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = guarding && size > 0 ? Guarded(alignment, size)
                              : __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
extern "C" void free(void* p) {
  if (FindBlock(p, 0) == nullptr) __libc_free(p);
}
#endif

int main(int argc, char** argv) {
  bool guard = true;
  int threads = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--guard=0" || arg == "--guard=1") {
      guard = arg.back() == '1';
    } else if (arg.rfind("--threads=", 0) == 0 && std::atoi(&arg[10]) > 0) {
      threads = std::atoi(&arg[10]);
    } else {
      std::fprintf(stderr,
                   "usage: strided_conv1x1 [--guard=0|1] [--threads=N]\n");
      return 2;
    }
  }
  std::printf("   in    out  stride   input          weight         result\n");
  std::fflush(stdout);  // or each child prints it again
  bool all_right = true;
  for (const int64_t in : {1, 2, 3, 4, 7, 8, 12, 15, 16, 64}) {
    all_right &= Report({in, 8, 2, true, true}, guard, threads);
  }
  for (const int64_t in : {3, 4, 12}) {
    all_right &= Report({in, 16, 2, true, false}, guard, threads);
    all_right &= Report({in, 16, 2, false, true}, guard, threads);
    all_right &= Report({in, 16, 2, false, false}, guard, threads);
    all_right &= Report({in, 16, 1, true, true}, guard, threads);
  }
  return all_right ? 0 : 1;
}
