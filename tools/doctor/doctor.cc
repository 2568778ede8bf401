// bazel run //tools:doctor: what this machine has for the project, what is
// missing, and the remedy. Exit code 0 when everything needed is there.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <torch/headeronly/version.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#ifdef SEG_CUDA
#include "tools/doctor/cuda_probe.h"
#endif

namespace {

namespace fs = std::filesystem;

int missing = 0;

void Good(const char* what, const std::string& found) {
  std::printf("  ok       %-14s %s\n", what, found.c_str());
}

void Optional(const char* what, const std::string& remedy) {
  std::printf("  absent   %-14s %s\n", what, remedy.c_str());
}

void Missing(const char* what, const std::string& remedy) {
  std::printf("  MISSING  %-14s %s\n", what, remedy.c_str());
  ++missing;
}

void CheckMachine() {
  std::printf("machine\n");
  std::ifstream file("/proc/cpuinfo");
  std::string model = "unknown";
  std::string flags;
  for (std::string line; std::getline(file, line) && flags.empty();) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.rfind("model name", 0) == 0) model = line.substr(colon + 2);
    if (line.rfind("flags", 0) == 0) flags = line.substr(colon + 1) + " ";
  }
  Good("cpu", model + ", " +
                  std::to_string(std::thread::hardware_concurrency()) +
                  " threads");
  if (flags.find(" avx2 ") == std::string::npos) {
    Optional("avx2", "the operators run, on narrower vectors");
  } else {
    Good("vectors", flags.find(" avx512f ") == std::string::npos
                        ? "AVX2"
                        : "AVX2, AVX-512");
  }
  struct sysinfo memory = {};
  sysinfo(&memory);
  const uint64_t gib = memory.totalram * memory.mem_unit >> 30;
  if (gib < 4) {
    Missing("memory", std::to_string(gib) + " GiB; compiling needs 4 GiB");
  } else {
    Good("memory", std::to_string(gib) + " GiB");
  }
  struct statvfs disk = {};
  if (statvfs(".", &disk) == 0) {
    const uint64_t free = disk.f_bavail * disk.f_frsize >> 30;
    if (free < 5) {
      Missing("disk",
              std::to_string(free) + " GiB free here; a build needs 5 GiB");
    } else {
      Good("disk", std::to_string(free) + " GiB free");
    }
  }
}

void CheckLibraries() {
  std::printf("libraries\n");
  Good("libtorch", TORCH_VERSION + std::string(at::hasMKL() ? ", MKL" : "") +
                       (at::hasMKLDNN() ? ", oneDNN" : "") + ", " +
                       std::to_string(at::get_num_threads()) + " threads");
  Good("compiler", __VERSION__);
  std::error_code error;
  for (const char* tool : {"clang-format", "clang"}) {
    if (fs::exists(std::string("/usr/bin/") + tool, error)) {
      Good(tool, std::string("/usr/bin/") + tool);
    } else {
      Optional(tool,
               std::string("needed to change the code only; install ") + tool);
    }
  }
}

void CheckCuda() {
  std::printf("cuda\n");
  const char* home = std::getenv("CUDA_HOME");
  const std::string nvcc =
      std::string(home != nullptr ? home : "/usr/local/cuda") + "/bin/nvcc";
  std::error_code error;
  if (fs::exists(nvcc, error)) {
    Good("nvcc", nvcc);
  } else {
    Optional("nvcc", "no " + nvcc +
                         "; CUDA targets are skipped. Install the CUDA 13 "
                         "toolkit or set CUDA_HOME");
  }
#ifdef SEG_CUDA
  if (!at::hasCUDA()) {
    Missing("device", "this build has CUDA, but no device or driver was found");
    return;
  }
  const std::string problem = seg::CudaProbe();
  if (problem.empty()) {
    Good("device", "a test kernel ran on cuda:0");
  } else {
    Missing("device", "a test kernel failed: " + problem);
  }
#else
  Optional("device", "this build is for the CPU; build with --config=cuda");
#endif
}

void CheckData() {
  std::printf("data\n");
  const char* root = std::getenv("SEG_DATA_ROOT");
  if (root == nullptr) {
    Optional("SEG_DATA_ROOT",
             "not set; the demos need no data. Set it to a folder of packs "
             "(common/datasets/README.md)");
    return;
  }
  std::error_code error;
  std::string packs;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (!fs::exists(entry.path() / "dataset.yaml", error)) continue;
    packs += (packs.empty() ? "" : ", ") + entry.path().filename().string();
  }
  if (packs.empty()) {
    Missing("SEG_DATA_ROOT", std::string(root) +
                                 " holds no pack (a folder with a "
                                 "dataset.yaml); correct it or unset it");
  } else {
    Good("SEG_DATA_ROOT", std::string(root) + ": " + packs);
  }
}

}  // namespace

int main() {
  CheckMachine();
  CheckLibraries();
  CheckCuda();
  CheckData();
  std::printf(missing == 0 ? "everything needed is there\n"
                           : "%d thing(s) missing, see above\n",
              missing);
  return missing == 0 ? 0 : 1;
}
