#include "common/io/hdf5.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/io/hdf5_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Path(const std::string& name) { return testing::TempDir() + name; }

at::Tensor Bytes(at::IntArrayRef sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return at::arange(count, at::kLong)
      .mul(37)
      .remainder(256)
      .to(at::kByte)
      .view(sizes);
}

TEST(Hdf5Test, RowsOfBytesAndNumbers) {
  const at::Tensor images = Bytes({5, 3, 4, 6});
  const at::Tensor marks = at::arange(20, at::kFloat).view({5, 2, 2}) / 3;
  for (const bool chunked : {false, true}) {
    const std::string path = Path("rows.h5");
    WriteHdf5(path,
              {{"img", images},
               {"mark", marks},
               {"double", marks.to(at::kDouble)},
               {"line", Bytes({7})}},
              chunked);
    EXPECT_THAT(*ListHdf5Arrays(path),
                ElementsAre("double", "img", "line", "mark"));
    ASSERT_OK_AND_ASSIGN(const auto img, Hdf5Array::Open(path, "img"));
    ASSERT_OK_AND_ASSIGN(const auto mark, Hdf5Array::Open(path, "mark"));
    ASSERT_OK_AND_ASSIGN(const auto doubles, Hdf5Array::Open(path, "double"));
    ASSERT_OK_AND_ASSIGN(const auto line, Hdf5Array::Open(path, "/line"));
    EXPECT_THAT(img->sizes(), ElementsAre(5, 3, 4, 6));
    EXPECT_EQ(line->rows(), 7);
    for (const int64_t i : {4, 0, 2}) {
      ASSERT_OK_AND_ASSIGN(const at::Tensor row, img->Row(i));
      EXPECT_TRUE(row.equal(images[i]));
      ASSERT_OK_AND_ASSIGN(const at::Tensor points, mark->Row(i));
      EXPECT_TRUE(points.equal(marks[i]));
      ASSERT_OK_AND_ASSIGN(const at::Tensor same, doubles->Row(i));
      EXPECT_TRUE(same.equal(marks[i]));  // as float32
      ASSERT_OK_AND_ASSIGN(const at::Tensor number, line->Row(i));
      EXPECT_EQ(number.dim(), 0);
      EXPECT_EQ(number.item<int>(), 37 * i % 256);
    }
  }
}

// Labels beyond 255, up to the greatest.
TEST(Hdf5Test, UnsignedNumbersOfSixteenBits) {
  const std::string path = Path("sixteen.h5");
  const at::Tensor labels =
      at::arange(2 * 3 * 4, at::kInt).mul(2849).view({2, 3, 4});
  ASSERT_EQ(labels[1][2][3].item<int>(), 65527);
  for (const bool chunked : {false, true}) {
    WriteHdf5(path, {{"labels", labels}}, chunked);
    ASSERT_OK_AND_ASSIGN(const auto array, Hdf5Array::Open(path, "labels"));
    EXPECT_EQ(array->type(), at::kInt);
    for (const int64_t i : {1, 0}) {
      ASSERT_OK_AND_ASSIGN(const at::Tensor row, array->Row(i));
      EXPECT_TRUE(row.equal(labels[i]));
    }
  }
}

TEST(Hdf5Test, TextsOfACellArray) {
  const std::string path = Path("texts.h5");
  WriteHdf5(path, {{"img", Bytes({2, 3})}});
  AddHdf5Texts(path, "names", {"wall", "floor mat", "x"});
  ASSERT_OK_AND_ASSIGN(const auto names, ReadHdf5Texts(path, "names"));
  EXPECT_THAT(names, ElementsAre("wall", "floor mat", "x"));
  EXPECT_THAT(ReadHdf5Texts(path, "words"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no array 'words'; there are img, names")));
  EXPECT_THAT(ReadHdf5Texts(path, "img"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("img: expected at most 65536 references")));
  EXPECT_THAT(Hdf5Array::Open(path, "names"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("names: expected unsigned numbers")));
  EXPECT_THAT(ReadHdf5Texts(Path("absent.h5"), "names"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("absent.h5: no such file")));
}

TEST(Hdf5Test, ReferencesThatLeadToNoText) {
  const std::string path = Path("no_texts.h5");
  WriteHdf5(path, {{"img", Bytes({2, 3})}});
  AddHdf5Texts(path, "names", {"wall", "caf\x7f"});
  EXPECT_THAT(ReadHdf5Texts(path, "names"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("names[1] leads to a text with the character "
                                 "127, expected ASCII")));
  // To an array of bytes, and to a group.
  for (const std::string target : {"img", "#refs#"}) {
    const std::string cells = "cells of " + target;
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    hobj_ref_t reference;
    ASSERT_GE(H5Rcreate(&reference, file, target.c_str(), H5R_OBJECT, -1), 0);
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t cell = H5Dcreate2(file, cells.c_str(), H5T_STD_REF_OBJ, space,
                                  H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(H5Dwrite(cell, H5T_STD_REF_OBJ, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                       &reference),
              0);
    H5Dclose(cell);
    H5Sclose(space);
    H5Fclose(file);
    EXPECT_THAT(ReadHdf5Texts(path, cells),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(cells + (target == "img"
                                                ? "[0] leads to no text of 1"
                                                : "[0] leads to no array"))));
  }
}

TEST(Hdf5Test, ManyThreads) {
  const std::string path = Path("threads.h5");
  const at::Tensor images = Bytes({40, 3, 8, 8});
  WriteHdf5(path, {{"img", images}});
  ASSERT_OK_AND_ASSIGN(const auto img, Hdf5Array::Open(path, "img"));
  std::vector<int> right(4, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = t; i < 40; i += 4) {
        const auto row = img->Row(i);
        right[t] += row.ok() && row->equal(images[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, ElementsAre(10, 10, 10, 10));
}

TEST(Hdf5Test, Errors) {
  const std::string path = Path("errors.h5");
  WriteHdf5(path, {{"img", Bytes({2, 3})},
                   {"long", at::zeros({2, 3}, at::kLong)},
                   {"none", Bytes({0, 3})}});
  EXPECT_THAT(Hdf5Array::Open(path, "seg"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no array 'seg'; there are img, long, none")));
  EXPECT_THAT(Hdf5Array::Open(path, "long"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("long: expected unsigned numbers of 8 or 16 "
                                 "bits or floating-point")));
  EXPECT_THAT(Hdf5Array::Open(Path("absent.h5"), "img"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("absent.h5: no such file")));
  ASSERT_OK(WriteFileAtomically(Path("text.h5"), "not this"));
  EXPECT_THAT(Hdf5Array::Open(Path("text.h5"), "img"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is no HDF5 file, or is damaged")));
  ASSERT_OK_AND_ASSIGN(const auto img, Hdf5Array::Open(path, "img"));
  EXPECT_THAT(img->Row(2), StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("row 2 asked for, there are 2")));
  ASSERT_OK_AND_ASSIGN(const auto none, Hdf5Array::Open(path, "none"));
  EXPECT_EQ(none->rows(), 0);
}

TEST(Hdf5Test, CutShort) {
  const std::string path = Path("cut.h5");
  WriteHdf5(path, {{"img", Bytes({100, 64, 64})}});
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 2);
  const auto img = Hdf5Array::Open(path, "img");
  if (img.ok()) {
    EXPECT_FALSE((*img)->Row(99).ok());
  } else {
    EXPECT_THAT(img, StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("damaged")));
  }
}

}  // namespace
}  // namespace seg
