#include "common/metrics/cluster_agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Flat, int64, on the CPU.
at::Tensor Flat(const at::Tensor& labels) {
  return labels.to(at::kCPU, at::kLong).flatten();
}

void CheckRange(const char* name, const at::Tensor& labels, int64_t count) {
  if (labels.numel() == 0) return;
  const int64_t low = labels.min().item<int64_t>();
  const int64_t high = labels.max().item<int64_t>();
  TORCH_CHECK(low >= 0 && high < count, "ClusterAgreement: ", name,
              " has label ", low < 0 ? low : high, ", expected 0..", count - 1);
}

// In nats.
double Entropy(const std::vector<int64_t>& counts, double total) {
  double sum = 0.0;
  for (const int64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    sum -= share * std::log(share);
  }
  return sum;
}

double Pairs(int64_t count) {
  return 0.5 * static_cast<double>(count) * (static_cast<double>(count) - 1.0);
}

double SumOfPairs(const std::vector<int64_t>& counts) {
  double sum = 0.0;
  for (const int64_t count : counts) sum += Pairs(count);
  return sum;
}

int64_t Occurring(const std::vector<int64_t>& counts) {
  int64_t labels = 0;
  for (const int64_t count : counts) labels += count > 0;
  return labels;
}

}  // namespace

ClusterAgreement::ClusterAgreement(int64_t first_labels, int64_t second_labels)
    : first_labels_(first_labels), second_labels_(second_labels) {
  TORCH_CHECK(first_labels >= 1 && second_labels >= 1,
              "ClusterAgreement: expected a label at least on each side, got ",
              first_labels, " and ", second_labels);
  counts_.assign(first_labels * second_labels, 0);
}

void ClusterAgreement::Add(const at::Tensor& first, const at::Tensor& second,
                           const at::Tensor& mask) {
  TORCH_CHECK(first.sizes() == second.sizes(),
              "ClusterAgreement: first must have the sizes of second ",
              second.sizes(), ", got ", first.sizes());
  TORCH_CHECK(at::isIntegralType(first.scalar_type(), false) &&
                  at::isIntegralType(second.scalar_type(), false),
              "ClusterAgreement: first and second must be integers, got ",
              first.scalar_type(), " and ", second.scalar_type());
  TORCH_CHECK(!mask.defined() || (mask.scalar_type() == at::kBool &&
                                  mask.sizes() == first.sizes()),
              "ClusterAgreement: mask must be bool with sizes ", first.sizes());
  at::Tensor a = Flat(first);
  at::Tensor b = Flat(second);
  if (mask.defined()) {
    const at::Tensor kept = mask.cpu().flatten();
    a = a.masked_select(kept);
    b = b.masked_select(kept);
  }
  CheckRange("first", a, first_labels_);
  CheckRange("second", b, second_labels_);
  const at::Tensor counts = at::bincount(a * second_labels_ + b, {},
                                         static_cast<int64_t>(counts_.size()))
                                .contiguous();
  const int64_t* added = counts.const_data_ptr<int64_t>();
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += added[i];
}

void ClusterAgreement::Merge(const ClusterAgreement& other) {
  TORCH_CHECK(other.first_labels_ == first_labels_ &&
                  other.second_labels_ == second_labels_,
              "ClusterAgreement: cannot merge a table of ", other.first_labels_,
              " x ", other.second_labels_, " into ", first_labels_, " x ",
              second_labels_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t ClusterAgreement::count(int64_t first, int64_t second) const {
  TORCH_CHECK(first >= 0 && first < first_labels_ && second >= 0 &&
                  second < second_labels_,
              "ClusterAgreement: no entry (", first, ", ", second, ") in ",
              first_labels_, " x ", second_labels_);
  return counts_[first * second_labels_ + second];
}

int64_t ClusterAgreement::total() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

std::vector<int64_t> ClusterAgreement::FirstSums() const {
  std::vector<int64_t> sums(first_labels_, 0);
  for (int64_t i = 0; i < first_labels_; ++i) {
    for (int64_t j = 0; j < second_labels_; ++j) {
      sums[i] += counts_[i * second_labels_ + j];
    }
  }
  return sums;
}

std::vector<int64_t> ClusterAgreement::SecondSums() const {
  std::vector<int64_t> sums(second_labels_, 0);
  for (int64_t i = 0; i < first_labels_; ++i) {
    for (int64_t j = 0; j < second_labels_; ++j) {
      sums[j] += counts_[i * second_labels_ + j];
    }
  }
  return sums;
}

double ClusterAgreement::NormalizedMutualInformation() const {
  const double n = static_cast<double>(total());
  if (n == 0.0) return kNan;
  const std::vector<int64_t> first = FirstSums(), second = SecondSums();
  if (Occurring(first) == 1 && Occurring(second) == 1) return 1.0;
  double information = 0.0;
  for (int64_t i = 0; i < first_labels_; ++i) {
    for (int64_t j = 0; j < second_labels_; ++j) {
      const int64_t both = counts_[i * second_labels_ + j];
      if (both == 0) continue;
      const double share = static_cast<double>(both) / n;
      information +=
          share * std::log(share * n / static_cast<double>(first[i]) * n /
                           static_cast<double>(second[j]));
    }
  }
  const double mean = 0.5 * (Entropy(first, n) + Entropy(second, n));
  return std::min(1.0, std::max(0.0, information / mean));
}

double ClusterAgreement::AdjustedRandIndex() const {
  const int64_t n = total();
  if (n == 0) return kNan;
  const std::vector<int64_t> first = FirstSums(), second = SecondSums();
  const int64_t first_occurring = Occurring(first);
  const int64_t second_occurring = Occurring(second);
  if (first_occurring == second_occurring &&
      (first_occurring == 1 || first_occurring == n)) {
    return 1.0;
  }
  const double together = SumOfPairs(counts_);
  const double in_first = SumOfPairs(first);
  const double in_second = SumOfPairs(second);
  const double expected = in_first / Pairs(n) * in_second;
  const double most = 0.5 * (in_first + in_second);
  return (together - expected) / (most - expected);
}

}  // namespace seg
