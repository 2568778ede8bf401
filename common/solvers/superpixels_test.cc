#include "common/solvers/superpixels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/solvers/cielab.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

at::Tensor Constant(int64_t height, int64_t width) {
  return at::full({3, height, width}, 90, at::kByte);
}

at::Tensor Noise(int64_t height, int64_t width, int64_t seed = 1) {
  at::manual_seed(seed);
  return at::randint(0, 256, {3, height, width}, at::kByte);
}

// Smooth blobs with a little noise: a stand-in for a photograph.
at::Tensor Blobs(int64_t height, int64_t width) {
  at::manual_seed(5);
  const at::Tensor coarse = at::rand({1, 3, 6, 7}, at::kDouble);
  const at::Tensor fine = at::upsample_bicubic2d(coarse, {height, width}, true);
  const at::Tensor noise = at::randn({3, height, width}, at::kDouble);
  return (255.0 * fine[0] + 4.0 * noise).clamp(0, 255).to(at::kByte);
}

SlicOptions Number(int64_t number) {
  SlicOptions options;
  options.number = number;
  return options;
}

int64_t Count(const at::Tensor& labels) {
  return labels.max().item<int64_t>() + 1;
}

// Labels are 0 .. n-1 in the order of their first pixels, and a flood fill from
// a label's first pixel reaches all of its pixels.
void ExpectWellFormed(const at::Tensor& labels, int64_t height, int64_t width) {
  ASSERT_EQ(labels.scalar_type(), at::kInt);
  ASSERT_EQ(labels.sizes(), at::IntArrayRef({height, width}));
  ASSERT_TRUE(labels.is_contiguous());
  const int32_t* label = labels.const_data_ptr<int32_t>();
  std::vector<bool> seen(height * width, false);
  int32_t count = 0;
  std::vector<int64_t> stack;
  for (int64_t start = 0; start < height * width; ++start) {
    if (seen[start]) continue;
    ASSERT_EQ(label[start], count++) << "pixel " << start;
    seen[start] = true;
    stack.push_back(start);
    while (!stack.empty()) {
      const int64_t y = stack.back() / width, x = stack.back() % width;
      stack.pop_back();
      const int64_t near[4][2] = {
          {y - 1, x}, {y + 1, x}, {y, x - 1}, {y, x + 1}};
      for (const auto& [v, u] : near) {
        if (v < 0 || u < 0 || v >= height || u >= width) continue;
        const int64_t i = v * width + u;
        if (seen[i] || label[i] != label[start]) continue;
        seen[i] = true;
        stack.push_back(i);
      }
    }
  }
}

TEST(SrgbToLabTest, KnownColours) {
  // To two digits, the values that colour tables give for sRGB and D65.
  const struct {
    uint8_t r, g, b;
    float lab[3];
  } kCases[] = {{0, 0, 0, {0.0f, 0.0f, 0.0f}},
                {255, 255, 255, {100.0f, 0.0f, 0.0f}},
                {119, 119, 119, {50.03f, 0.0f, 0.0f}},
                {255, 0, 0, {53.24f, 80.09f, 67.20f}},
                {0, 255, 0, {87.73f, -86.18f, 83.18f}},
                {0, 0, 255, {32.30f, 79.19f, -107.86f}}};
  for (const auto& c : kCases) {
    const std::array<float, 3> lab = SrgbToLab(c.r, c.g, c.b);
    // Tables differ in the second digit, by the digits of the matrix.
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(lab[i], c.lab[i], 0.03f);
  }
}

TEST(SrgbToLabTest, AgreesWithDouble) {
  const auto linear = [](int value) {
    const double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  const auto f = [](double t) {
    const double d = 6.0 / 29.0;
    return t > d * d * d ? std::cbrt(t) : t / (3.0 * d * d) + 4.0 / 29.0;
  };
  for (int r = 0; r < 256; r += 15) {
    for (int g = 0; g < 256; g += 15) {
      for (int b = 0; b < 256; b += 15) {
        const double R = linear(r), G = linear(g), B = linear(b);
        const double x = f((0.4124 * R + 0.3576 * G + 0.1805 * B) / 0.9505);
        const double y = f(0.2126 * R + 0.7152 * G + 0.0722 * B);
        const double z = f((0.0193 * R + 0.1192 * G + 0.9505 * B) / 1.0890);
        const std::array<float, 3> lab = SrgbToLab(r, g, b);
        // 1e-3: the bound that the header states.
        ASSERT_NEAR(lab[0], 116.0 * y - 16.0, 1e-3);
        ASSERT_NEAR(lab[1], 500.0 * (x - y), 1e-3);
        ASSERT_NEAR(lab[2], 200.0 * (y - z), 1e-3);
      }
    }
  }
}

TEST(SlicTest, ConstantImageGivesTheGrid) {
  // 40 x 60 pixels in 24 cells of 10 x 10.
  const at::Tensor labels = Slic(Constant(40, 60), Number(24));
  const at::Tensor row = at::arange(40, at::kInt).floor_divide(10);
  const at::Tensor column = at::arange(60, at::kInt).floor_divide(10);
  EXPECT_TRUE(at::equal(labels, (6 * row.unsqueeze(1) + column).to(at::kInt)));
}

TEST(SlicTest, NoSuperpixelCrossesAnEdge) {
  const int64_t height = 48, width = 64;
  const at::Tensor y = at::arange(height).unsqueeze(1);
  const at::Tensor x = at::arange(width).unsqueeze(0);
  for (const at::Tensor& inside :
       {(x < 29).expand({height, width}), x + y < 50,
        (x - 30) * (x - 30) + (y - 22) * (y - 22) < 200}) {
    const at::Tensor image =
        (inside.to(at::kByte) * 200 + 20).expand({3, height, width});
    const at::Tensor labels = Slic(image, Number(48));
    ExpectWellFormed(labels, height, width);
    const at::Tensor flat = labels.flatten().to(at::kLong);
    const at::Tensor share =
        at::bincount(flat, inside.flatten().to(at::kDouble)) /
        at::bincount(flat);
    EXPECT_TRUE(((share == 0) | (share == 1)).all().item<bool>());
    EXPECT_GT(Count(labels), 24);
  }
}

TEST(SlicTest, LabelsAreConnectedAndWithoutGaps) {
  for (const int64_t number : {1, 7, 60, 400}) {
    ExpectWellFormed(Slic(Blobs(61, 83), Number(number)), 61, 83);
    ExpectWellFormed(Slic(Noise(61, 83), Number(number)), 61, 83);
    ExpectWellFormed(Slic(Constant(61, 83), Number(number)), 61, 83);
  }
}

TEST(SlicTest, SuperpixelsHaveAQuarterOfTheMeanAreaOrMore) {
  const int64_t height = 61, width = 83, number = 50;
  for (const at::Tensor& image : {Blobs(height, width), Noise(height, width)}) {
    const at::Tensor labels = Slic(image, Number(number));
    const at::Tensor area = at::bincount(labels.flatten());
    EXPECT_GE(area.min().item<int64_t>(), height * width / number / 4);
  }
}

TEST(SlicTest, CountIsNearTheAskedOne) {
  for (const int64_t number : {20, 100, 300}) {
    const int64_t count = Count(Slic(Blobs(120, 160), Number(number)));
    EXPECT_GE(count, number * 8 / 10) << number;
    EXPECT_LE(count, number * 12 / 10) << number;
  }
  EXPECT_EQ(Count(Slic(Blobs(30, 40), Number(1))), 1);
}

// Where colour has no weight and centres do not avoid edges (cells of 2 x 2),
// nothing of the image is left.
TEST(SlicTest, HighCompactnessGivesSquares) {
  SlicOptions options = Number(600);
  options.compactness = 1e5;
  const at::Tensor row = at::arange(40, at::kInt).floor_divide(2);
  const at::Tensor column = at::arange(60, at::kInt).floor_divide(2);
  EXPECT_TRUE(at::equal(Slic(Noise(40, 60), options),
                        (30 * row.unsqueeze(1) + column).to(at::kInt)));
  options.compactness = 10.0;
  EXPECT_FALSE(at::equal(Slic(Noise(40, 60), options),
                         (30 * row.unsqueeze(1) + column).to(at::kInt)));
}

TEST(SlicTest, TinyImages) {
  EXPECT_TRUE(at::equal(Slic(Noise(1, 1)), at::zeros({1, 1}, at::kInt)));
  const at::Tensor tens = at::arange(50, at::kInt).floor_divide(10);
  EXPECT_TRUE(at::equal(Slic(Constant(1, 50), Number(5)),
                        tens.view({1, 50}).to(at::kInt)));
  EXPECT_TRUE(at::equal(Slic(Constant(50, 1), Number(5)),
                        tens.view({50, 1}).to(at::kInt)));
  for (const int64_t number : {1, 2, 5, 11, 100}) {
    ExpectWellFormed(Slic(Noise(1, 23), Number(number)), 1, 23);
    ExpectWellFormed(Slic(Noise(23, 1), Number(number)), 23, 1);
    ExpectWellFormed(Slic(Noise(2, 3), Number(number)), 2, 3);
  }
}

TEST(SlicTest, OneSuperpixelAPixelWhereMoreAreAsked) {
  const at::Tensor each = at::arange(35, at::kInt).view({5, 7});
  for (const int64_t number :
       {int64_t{35}, int64_t{36}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_TRUE(at::equal(Slic(Noise(5, 7), Number(number)), each));
    EXPECT_TRUE(at::equal(Slic(Constant(5, 7), Number(number)), each));
  }
}

TEST(SlicTest, ThreadsAndStridesChangeNothing) {
  const int threads = at::get_num_threads();
  const at::Tensor image = Noise(97, 75);
  at::set_num_threads(1);
  const at::Tensor labels = Slic(image, Number(90));
  for (const int count : {2, 3, 4}) {
    at::set_num_threads(count);
    EXPECT_TRUE(at::equal(Slic(image, Number(90)), labels));
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(Slic(image, Number(90)), labels));
  at::Tensor wide = at::empty({3, 97, 150}, at::kByte);
  at::Tensor sparse = wide.slice(2, 0, 150, 2);
  sparse.copy_(image);
  for (const at::Tensor& other :
       {ChannelsLast(image.unsqueeze(0))[0], ColumnMajor(image), sparse}) {
    ASSERT_FALSE(other.is_contiguous());
    EXPECT_TRUE(at::equal(Slic(other, Number(90)), labels));
  }
}

TEST(SlicTest, RefusesWrongInput) {
  ExpectError(
      [] {
        Slic(at::zeros({3, 4, 4}));
      },
      "image must be uint8 [3,H,W] on the CPU, got Float [3, 4, 4]");
  ExpectError(
      [] {
        Slic(at::zeros({1, 4, 4}, at::kByte));
      },
      "got Byte [1, 4, 4]");
  ExpectError(
      [] {
        Slic(at::zeros({1, 3, 4, 4}, at::kByte));
      },
      "got Byte [1, 3, 4, 4]");
  ExpectError(
      [] {
        Slic(at::zeros({3, 0, 4}, at::kByte));
      },
      "image must have 1 .. 2^31-1 pixels, got [3, 0, 4]");
  ExpectError([] { Slic(Constant(4, 4), Number(0)); },
              "number must be >= 1, got 0");
  SlicOptions options;
  options.iterations = 0;
  ExpectError([&] { Slic(Constant(4, 4), options); },
              "iterations must be >= 1, got 0");
  options = {};
  for (const double compactness : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    options.compactness = compactness;
    ExpectError([&] { Slic(Constant(4, 4), options); },
                "compactness must be finite and > 0");
  }
}

TEST(SuperpixelGraphTest, ThreeRegionsByHand) {
  // 0 0 1
  // 0 2 1      colours: 0 black, 1 and 2 white
  const at::Tensor labels =
      at::tensor({0, 0, 1, 0, 2, 1}, at::kInt).view({2, 3});
  const at::Tensor image = ((labels > 0).to(at::kByte) * 255).expand({3, 2, 3});
  const SuperpixelGraph graph = MakeSuperpixelGraph(image, labels);
  ASSERT_EQ(graph.size(), 3);
  EXPECT_EQ(graph.area, (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(graph.mean_colour[0][0], 0.0);
  // 1e-3: the bound of SrgbToLab.
  EXPECT_NEAR(graph.mean_colour[1][0], 100.0, 1e-3);
  const struct {
    int from, at, to, length;
    double difference;
  } kEdges[] = {{0, 0, 1, 1, 100.0}, {0, 1, 2, 2, 100.0}, {1, 0, 0, 1, 100.0},
                {1, 1, 2, 1, 0.0},   {2, 0, 0, 2, 100.0}, {2, 1, 1, 1, 0.0}};
  for (const auto& e : kEdges) {
    ASSERT_EQ(graph.neighbours[e.from].size(), 2u);
    const SuperpixelNeighbour& n = graph.neighbours[e.from][e.at];
    EXPECT_EQ(n.label, e.to);
    EXPECT_EQ(n.boundary_length, e.length);
    EXPECT_NEAR(n.boundary_contrast, e.difference, 1e-3);
    EXPECT_NEAR(n.colour_difference, e.difference, 1e-3);
  }
}

// The means agree, the pixels at the boundary do not.
TEST(SuperpixelGraphTest, ContrastIsThatOfTheBoundary) {
  const at::Tensor labels = at::tensor({0, 0, 1, 1}, at::kInt).view({1, 4});
  const at::Tensor grey = at::tensor({0, 255, 0, 255}, at::kByte);
  const SuperpixelGraph graph =
      MakeSuperpixelGraph(grey.view({1, 1, 4}).expand({3, 1, 4}), labels);
  EXPECT_EQ(graph.neighbours[0][0].colour_difference, 0.0);
  EXPECT_NEAR(graph.neighbours[0][0].boundary_contrast, 100.0, 1e-3);
}

TEST(SuperpixelGraphTest, AgreesWithBruteForceAndIsSymmetric) {
  const int64_t height = 23, width = 31;
  const at::Tensor image = Noise(height, width, 4);
  // Labels that need not be connected, and those of Slic.
  at::manual_seed(6);
  const at::Tensor scattered =
      at::cat({at::arange(9, at::kInt),
               at::randint(0, 9, {height * width - 9}, at::kInt)})
          .view({height, width});
  for (const at::Tensor& labels :
       {scattered, Slic(image, Number(12)), ColumnMajor(scattered)}) {
    const SuperpixelGraph graph = MakeSuperpixelGraph(image, labels);
    ASSERT_EQ(graph.size(), Count(labels));
    const at::Tensor dense = labels.contiguous();
    const int32_t* label = dense.const_data_ptr<int32_t>();
    const auto colour = [&](int64_t i) {
      const uint8_t* plane = image.const_data_ptr<uint8_t>() + i;
      return SrgbToLab(plane[0], plane[height * width],
                       plane[2 * height * width]);
    };
    const auto distance = [](const auto& a, const auto& b) {
      double sum = 0.0;
      for (int c = 0; c < 3; ++c) {
        sum += static_cast<double>(a[c] - b[c]) * (a[c] - b[c]);
      }
      return std::sqrt(sum);
    };
    for (int64_t a = 0; a < graph.size(); ++a) {
      EXPECT_EQ(graph.area[a], (labels == a).sum().item<int64_t>());
      size_t next = 0;  // in the list of neighbours
      for (int64_t b = 0; b < graph.size(); ++b) {
        int64_t length = 0;
        double contrast = 0.0;
        for (int64_t i = 0; i < height * width && a != b; ++i) {
          if (label[i] != a) continue;
          for (int64_t j = 0; j < height * width; ++j) {
            const int64_t steps = std::abs(i / width - j / width) +
                                  std::abs(i % width - j % width);
            if (label[j] != b || steps != 1) continue;
            ++length;
            contrast += distance(colour(i), colour(j));
          }
        }
        if (length == 0) continue;
        ASSERT_LT(next, graph.neighbours[a].size());
        const SuperpixelNeighbour& n = graph.neighbours[a][next++];
        ASSERT_EQ(n.label, b);
        EXPECT_EQ(n.boundary_length, length);
        // Squares in float against squares in double.
        EXPECT_NEAR(n.boundary_contrast, contrast / static_cast<double>(length),
                    1e-4);
        EXPECT_DOUBLE_EQ(n.colour_difference,
                         distance(graph.mean_colour[a], graph.mean_colour[b]));
        const auto& back = graph.neighbours[b];
        const auto found =
            std::find_if(back.begin(), back.end(),
                         [&](const auto& other) { return other.label == a; });
        ASSERT_NE(found, back.end());
        EXPECT_EQ(found->boundary_length, n.boundary_length);
        EXPECT_EQ(found->boundary_contrast, n.boundary_contrast);
        EXPECT_EQ(found->colour_difference, n.colour_difference);
      }
      EXPECT_EQ(next, graph.neighbours[a].size());
    }
  }
}

TEST(SuperpixelGraphTest, OneSuperpixelHasNoNeighbours) {
  const SuperpixelGraph graph =
      MakeSuperpixelGraph(Constant(1, 1), at::zeros({1, 1}, at::kInt));
  ASSERT_EQ(graph.size(), 1);
  EXPECT_TRUE(graph.neighbours[0].empty());
}

TEST(SuperpixelGraphTest, RefusesWrongLabels) {
  const at::Tensor image = Constant(2, 2);
  const auto graph = [&](std::vector<int32_t> labels) {
    MakeSuperpixelGraph(image, at::tensor(labels, at::kInt).view({2, 2}));
  };
  ExpectError(
      [&] {
        graph({0, 0, 2, 2});
      },
      "labels must be 0 .. 2 without gaps, but no pixel has 1");
  ExpectError([&] { graph({0, -1, 0, 0}); }, "got -1 .. 0 in 4 pixels");
  ExpectError(
      [&] {
        graph({0, 2147483647, 0, 0});
      },
      "got 0 .. 2147483647 in 4 pixels");
  ExpectError(
      [&] {
        MakeSuperpixelGraph(image, at::zeros({2, 2}, at::kLong));
      },
      "labels must be int32 [2, 2] on the CPU, got Long [2, 2]");
  ExpectError(
      [&] {
        MakeSuperpixelGraph(image, at::zeros({2, 3}, at::kInt));
      },
      "got Int [2, 3]");
  ExpectError(
      [&] {
        MakeSuperpixelGraph(at::zeros({3, 2, 2}), at::zeros({2, 2}, at::kInt));
      },
      "MakeSuperpixelGraph: image must be uint8");
}

}  // namespace
}  // namespace seg
