// A command of this paper alone: draws the filters of the first layer.
#include "common/app/command.h"
#include "common/io/image.h"
#include "tools/example/toy/toy.h"

int main(int argc, char** argv) {
  return seg::CommandMain<seg::toy::Paper>(
      argc, argv, {"filters", seg::kRunFlag | seg::kOutFlag, "filters"},
      [](const seg::MainArgs& args, seg::Restored<seg::toy::Paper>& restored) {
        const at::Tensor w = restored.models[0]->first->weight.detach();
        const at::Tensor grey = (w - w.min()) / (w.max() - w.min()) * 255;
        const at::Tensor row = grey.permute({1, 2, 0, 3}).flatten(2);
        return seg::WriteImage(args.out + "/filters.png", row.to(at::kByte));
      });
}
