#include "common/testing/cuda_emulator/source_line.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <cstdio>

namespace seg::cuda::emulator {
namespace {

struct Place {
  std::string function, line;
};

// addr2line prints two lines, "??" where it knows nothing.
Place Ask(const std::string& file, uint64_t offset) {
  char command[PATH_MAX + 64];
  std::snprintf(command, sizeof(command),
                "addr2line -C -f -e '%s' 0x%llx 2>/dev/null", file.c_str(),
                static_cast<unsigned long long>(offset));
  Place place;
  FILE* const pipe = popen(command, "r");
  if (pipe == nullptr) return place;
  char text[4096];
  for (std::string* part : {&place.function, &place.line}) {
    if (std::fgets(text, sizeof(text), pipe) == nullptr) break;
    *part = text;
    part->erase(part->find_last_not_of('\n') + 1);
    if (part->compare(0, 2, "??") == 0) part->clear();
  }
  pclose(pipe);
  return place;
}

Place Find(uint64_t address) {
  Dl_info module;
  if (dladdr(reinterpret_cast<const void*>(address), &module) == 0) return {};
  std::string file = module.dli_fname;
  Dl_info own;
  char program[PATH_MAX];
  if (dladdr(reinterpret_cast<const void*>(&Find), &own) != 0 &&
      own.dli_fbase == module.dli_fbase) {
    const ssize_t length = readlink("/proc/self/exe", program, PATH_MAX);
    if (length > 0) file.assign(program, length);
  }
  const auto base = reinterpret_cast<uint64_t>(module.dli_fbase);
  // Programs that are not position independent are asked by address.
  Place place = Ask(file, address - base);
  if (place.function.empty()) place = Ask(file, address);

  // From the repository's root on.
  const size_t root = place.line.find("/execroot/");
  if (root != std::string::npos) {
    const size_t end = place.line.find('/', root + sizeof("/execroot/") - 1);
    if (end != std::string::npos) place.line.erase(0, end + 1);
  }
  place.line.erase(std::min(place.line.find(" ("), place.line.size()));
  return place;
}

}  // namespace

std::string CallerLine(const void* return_address) {
  const uint64_t address = reinterpret_cast<uint64_t>(return_address);
  const Place place = Find(address - 1);
  if (!place.line.empty()) return place.line;
  char text[32];
  std::snprintf(text, sizeof(text), "0x%llx",
                static_cast<unsigned long long>(address));
  return text;
}

std::string FunctionName(const void* address) {
  std::string name = Find(reinterpret_cast<uint64_t>(address)).function;
  if (name.empty()) return "a kernel";
  // "void seg::(anonymous namespace)::Kernel<float>(float const*, int)"
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = name.find(anonymous)) != std::string::npos;) {
    name.erase(at, anonymous.size());
  }
  const size_t parameters = name.find('(');
  if (parameters != std::string::npos) name.erase(parameters);
  if (name.compare(0, 5, "void ") == 0) name.erase(0, 5);
  return name;
}

}  // namespace seg::cuda::emulator
