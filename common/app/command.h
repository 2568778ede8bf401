// Commands that one paper alone has, on a trained run: `sample` of a generator,
// a step of a pipeline. Flags, errors, exit codes and overrides are those of
// every command.
//
//   constexpr Command kSample = {"sample", kRunFlag | kOutFlag, "samples"};
//   int main(int argc, char** argv) {                            // sample.cc
//     return CommandMain<Paper>(
//         argc, argv, kSample,
//         [](const MainArgs& args, Restored<Paper>& restored) -> absl::Status {
//           ...restored.models[0]->Sample(...)
//           return WriteImage(args.out + "/sample.png", picture);
//         });
//   }
//
// seg_paper(commands = ["sample"]) makes the program (tools/paper.bzl). What
// only this command has to be told is a key of the configuration, no flag.
#ifndef COMMON_APP_COMMAND_H_
#define COMMON_APP_COMMAND_H_

#include <ATen/Context.h>

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "common/app/main.h"
#include "common/app/out_folder.h"
#include "common/app/restore.h"
#include "common/base/status_macros.h"

namespace seg {

template <class P>
using CommandBody =
    std::function<absl::Status(const MainArgs& args, Restored<P>& restored)>;

// Opens the run that --checkpoint means (`command` takes kRunFlag), after
// P::Check; makes and claims the folder args.out of a command with kOutFlag;
// seeds LibTorch's default generators by --seed; calls `body`.
template <class P>
absl::Status RunCommand(const MainArgs& args, const Command& command,
                        const CommandBody<P>& body) {
  SEG_ASSIGN_OR_RETURN(Restored<P> restored, Restore<P>(args, command));
  FolderLock lock;
  if (!args.out.empty()) {
    SEG_ASSIGN_OR_RETURN(lock, ClaimOut(args.out));
  }
  at::manual_seed(static_cast<uint64_t>(args.seed));
  return body(args, restored);
}

template <class P>
int CommandMain(int argc, char** argv, const Command& command,
                const CommandBody<P>& body) {
  return RunMain(argc, argv, command, P::kName, [&](const MainArgs& args) {
    return RunCommand<P>(args, command, body);
  });
}

}  // namespace seg

#endif  // COMMON_APP_COMMAND_H_
