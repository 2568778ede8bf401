// Writes a small event file, for testdata/check_tensorboard.py:
//   tensorboard_demo FOLDER
#include <cstdio>

#include "ATen/ATen.h"
#include "common/base/status_macros.h"
#include "common/io/tensorboard.h"

namespace seg {
namespace {

absl::Status Run(const std::string& folder) {
  SEG_ASSIGN_OR_RETURN(auto writer, EventWriter::Open(folder));
  for (int step = 0; step < 5; ++step) {
    SEG_RETURN_IF_ERROR(
        writer->AddScalar("loss/train", 1.0 / (1 + step), step * 10));
  }
  const at::Tensor image = at::arange(3 * 4 * 6).view({3, 4, 6}).to(at::kByte);
  SEG_RETURN_IF_ERROR(writer->AddImage("worst/0", image, 40));
  SEG_RETURN_IF_ERROR(writer->AddText("config", "# Title\n`lr`: 0.1", 0));
  return writer->Flush();
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tensorboard_demo FOLDER\n");
    return 2;
  }
  const absl::Status status = seg::Run(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
