#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/solvers/lab_image.h"
#include "common/solvers/superpixels.h"

namespace seg {

SuperpixelGraph MakeSuperpixelGraph(const at::Tensor& image,
                                    const at::Tensor& labels) {
  const LabImage lab = ToLab("MakeSuperpixelGraph", image);
  TORCH_CHECK(labels.scalar_type() == at::kInt && labels.is_cpu() &&
                  labels.dim() == 2 && labels.size(0) == lab.height &&
                  labels.size(1) == lab.width,
              "MakeSuperpixelGraph: labels must be int32 [", lab.height, ", ",
              lab.width, "] on the CPU, got ", labels.scalar_type(), " ",
              labels.sizes(), " on ", labels.device());
  const at::Tensor kept = labels.contiguous();
  const int32_t* label = kept.const_data_ptr<int32_t>();
  const auto [least, most] = std::minmax_element(label, label + lab.size());
  TORCH_CHECK(*least >= 0 && *most < lab.size(),
              "MakeSuperpixelGraph: labels must be 0 .. n-1 without gaps, got ",
              *least, " .. ", *most, " in ", lab.size(), " pixels");
  const int64_t number = static_cast<int64_t>(*most) + 1;

  SuperpixelGraph graph;
  graph.area.resize(number, 0);
  graph.mean_colour.resize(number, {0.0, 0.0, 0.0});
  graph.neighbours.resize(number);
  struct Contact {
    int32_t low, high;  // labels
    double contrast;
  };
  std::vector<Contact> contacts;
  for (int64_t i = 0; i < lab.size(); ++i) {
    ++graph.area[label[i]];
    for (int c = 0; c < 3; ++c) {
      graph.mean_colour[label[i]][c] += lab.planes[c][i];
    }
    ForNeighbours(lab, i, [&](int64_t j) {
      if (j < i || label[i] == label[j]) return;
      const auto [low, high] = std::minmax(label[i], label[j]);
      contacts.push_back(
          {low, high,
           std::sqrt(static_cast<double>(SquaredDistance(lab[i], lab[j])))});
    });
  }
  for (int64_t k = 0; k < number; ++k) {
    TORCH_CHECK(graph.area[k] > 0, "MakeSuperpixelGraph: labels must be 0 .. ",
                number - 1, " without gaps, but no pixel has ", k);
    for (double& c : graph.mean_colour[k]) {
      c /= static_cast<double>(graph.area[k]);
    }
  }

  // Equal pairs of labels side by side, each in the order of its pixels.
  std::stable_sort(contacts.begin(), contacts.end(),
                   [](const Contact& a, const Contact& b) {
                     return a.low != b.low ? a.low < b.low : a.high < b.high;
                   });
  for (size_t begin = 0, end = 0; begin < contacts.size(); begin = end) {
    const int32_t low = contacts[begin].low, high = contacts[begin].high;
    SuperpixelNeighbour edge;
    for (; end < contacts.size() && contacts[end].low == low &&
           contacts[end].high == high;
         ++end) {
      edge.boundary_contrast += contacts[end].contrast;
    }
    edge.boundary_length = static_cast<int64_t>(end - begin);
    edge.boundary_contrast /= static_cast<double>(edge.boundary_length);
    const auto& a = graph.mean_colour[low];
    const auto& b = graph.mean_colour[high];
    edge.colour_difference = std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    // Ascending on both sides: `low` only rises, and `high` with equal `low`;
    // a label's lower neighbours come before its higher ones.
    edge.label = high;
    graph.neighbours[low].push_back(edge);
    edge.label = low;
    graph.neighbours[high].push_back(edge);
  }
  return graph;
}

}  // namespace seg
