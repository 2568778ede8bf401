// Sums of the losses without a tensor library: README.md says how to build it.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "common/losses/dice_cpu.h"
#include "common/losses/expected_iou_cpu.h"

int main() {
  // Probabilities of two classes at three pixels, [class][pixel].
  const std::vector<float> p = {0.75f, 0.5f, 0.25f, 0.25f, 0.5f, 0.75f};
  const std::vector<uint8_t> labels = {0, 1, 255};
  const seg::DicePixels<float, uint8_t> pixels = {p.data(), 3, labels.data(),
                                                  3,        2, 255};
  std::vector<seg::DiceSums> sums(2);
  int64_t bad_label = 0;
  bool right = seg::SumDice(pixels, sums.data(), &bad_label);
  right = right && sums[0].both == 0.75 && sums[0].predicted == 1.25 &&
          sums[1].both == 0.5 && sums[1].true_pixels == 1;
  std::printf("%g %g\n", sums[0].both, sums[1].both);

  const std::vector<float> target = {1, 0, 0, 0, 1, 0};  // the last is void
  const seg::ExpectedIouRun<float> run = {p.data(), target.data(), 3, 3, 2,
                                          0,        true};
  std::vector<seg::ExpectedIouTotals> totals(2);
  double weight = 0, bad_share = 0;
  right = right &&
          seg::SumExpectedIou(run, totals.data(), &weight, &bad_share) &&
          weight == 2 && totals[0].both == 0.75 && totals[0].predicted == 1.25;
  std::printf("%g %g\n", totals[0].both, totals[1].both);
  return right ? 0 : 1;
}
