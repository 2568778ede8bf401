// main() of a fuzz target built without libFuzzer: runs each input of the
// corpus named on the command line once, so that the corpus is a regression
// test. A corpus is a zip with one member an input (FUZZER_seed_corpus.zip is
// OSS-Fuzz's convention); a file of another name is one input itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/zip_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// From memory of exactly its size, so that AddressSanitizer sees each byte read
// behind its end.
void RunInput(absl::string_view bytes) {
  const std::unique_ptr<uint8_t[]> input(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), input.get());
  LLVMFuzzerTestOneInput(input.get(), bytes.size());
}

// Adds the number of inputs to `*inputs`.
absl::Status RunCorpus(const std::string& path, int* inputs) {
  SEG_ASSIGN_OR_RETURN(const std::string file, seg::ReadFile(path));
  if (!absl::EndsWith(path, ".zip")) {
    RunInput(file);
    ++*inputs;
    return absl::OkStatus();
  }
  const absl::StatusOr<seg::ZipIndex> members = seg::ParseZip(file);
  if (!members.ok()) return seg::WithPath(members.status(), path);
  for (const auto& [name, member] : *members) {
    if (member.deflated) {
      SEG_ASSIGN_OR_RETURN(const std::string bytes,
                           seg::InflateZipEntry(member));
      RunInput(bytes);
    } else {
      RunInput(member.content);
    }
    ++*inputs;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    const absl::Status status = RunCorpus(argv[i], &inputs);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
      return 1;
    }
  }
  std::printf("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
