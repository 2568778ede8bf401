// Draws pictures of a trained generator: see README.md.
#include <c10/core/GradMode.h>

#include <cstdio>

#include "common/app/command.h"
#include "common/io/image.h"
#include "ganseg/edits.h"
#include "ganseg/paper.h"
#include "ganseg/pictures.h"

namespace seg {
namespace ganseg {
namespace {

constexpr Command kSample = {"sample", kRunFlag | kOutFlag, "samples"};

// OUT/pictures.png and OUT/parts.png, the same grid without and with parts and
// points.
absl::Status DrawSamples(const MainArgs& args, Restored<Paper>& restored) {
  const at::NoGradGuard no_grad;
  const SampleConfig& config = restored.config.sample;
  Generator& generator = restored.models[0]->sampler();
  absl::StatusOr<Codes> codes = SampleCodes(config, generator);
  if (!codes.ok()) return UsageError(codes.status());
  const Generated generated = generator->Render(*codes);
  GridOptions grid;
  grid.columns = config.columns;
  const std::string pictures = args.out + "/pictures.png";
  const std::string parts = args.out + "/parts.png";
  SEG_RETURN_IF_ERROR(WriteImage(pictures, ImageGrid(generated, grid)));
  SEG_RETURN_IF_ERROR(WriteImage(parts, PartGrid(generated, grid)));
  std::printf("%s\n%s\n", pictures.c_str(), parts.c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace ganseg
}  // namespace seg

int main(int argc, char** argv) {
  return seg::CommandMain<seg::ganseg::Paper>(argc, argv, seg::ganseg::kSample,
                                              seg::ganseg::DrawSamples);
}
