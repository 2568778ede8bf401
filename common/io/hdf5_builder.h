// Writes HDF5 files by the library, for tests.
#ifndef SEGPAPERS_COMMON_IO_HDF5_BUILDER_H_
#define SEGPAPERS_COMMON_IO_HDF5_BUILDER_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "hdf5/serial/hdf5.h"

namespace seg {

// Arrays by name: uint8, float32, float64 or int64 tensors, and int32 ones,
// which are stored as unsigned numbers of 16 bits. `chunked`: each row
// compressed on its own.
inline void WriteHdf5(
    const std::string& path,
    const std::vector<std::pair<std::string, at::Tensor>>& arrays,
    bool chunked = false) {
  const hid_t file =
      H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  for (const auto& [name, given] : arrays) {
    const at::Tensor array = given.contiguous();
    std::vector<hsize_t> sizes(array.sizes().begin(), array.sizes().end());
    const hid_t space =
        H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
    const hid_t memory = array.scalar_type() == at::kByte    ? H5T_NATIVE_UINT8
                         : array.scalar_type() == at::kFloat ? H5T_NATIVE_FLOAT
                         : array.scalar_type() == at::kInt   ? H5T_NATIVE_INT32
                         : array.scalar_type() == at::kDouble
                             ? H5T_NATIVE_DOUBLE
                             : H5T_NATIVE_INT64;
    // Bytes as h5py's STD_U8BE.
    const hid_t stored = array.scalar_type() == at::kByte  ? H5T_STD_U8BE
                         : array.scalar_type() == at::kInt ? H5T_STD_U16LE
                                                           : memory;
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (chunked) {
      sizes[0] = 1;
      H5Pset_chunk(properties, static_cast<int>(sizes.size()), sizes.data());
      H5Pset_deflate(properties, 6);
    }
    const hid_t groups = H5Pcreate(H5P_LINK_CREATE);  // of "group/name"
    H5Pset_create_intermediate_group(groups, 1);
    const hid_t dataset = H5Dcreate2(file, name.c_str(), stored, space, groups,
                                     properties, H5P_DEFAULT);
    H5Pclose(groups);
    ASSERT_GE(dataset, 0);
    ASSERT_GE(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                       array.data_ptr()),
              0);
    H5Dclose(dataset);
    H5Pclose(properties);
    H5Sclose(space);
  }
  H5Fclose(file);
}

// Adds a cell array of texts to a file that is there, as MATLAB 7.3 stores it:
// [1,N] references to arrays [L,1] of 16-bit characters in the group #refs#.
inline void AddHdf5Texts(const std::string& path, const std::string& name,
                         const std::vector<std::string>& texts) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  H5Gclose(H5Gcreate2(file, "#refs#", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  std::vector<hobj_ref_t> references(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string object = "#refs#/" + std::to_string(i);
    const std::vector<uint16_t> letters(texts[i].begin(), texts[i].end());
    const hsize_t sizes[2] = {letters.size(), 1};
    const hid_t space = H5Screate_simple(2, sizes, nullptr);
    const hid_t text = H5Dcreate2(file, object.c_str(), H5T_STD_U16LE, space,
                                  H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(H5Dwrite(text, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                       letters.data()),
              0);
    H5Dclose(text);
    H5Sclose(space);
    ASSERT_GE(H5Rcreate(&references[i], file, object.c_str(), H5R_OBJECT, -1),
              0);
  }
  const hsize_t sizes[2] = {1, texts.size()};
  const hid_t space = H5Screate_simple(2, sizes, nullptr);
  const hid_t cells = H5Dcreate2(file, name.c_str(), H5T_STD_REF_OBJ, space,
                                 H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Dwrite(cells, H5T_STD_REF_OBJ, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                     references.data()),
            0);
  H5Dclose(cells);
  H5Sclose(space);
  H5Fclose(file);
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_HDF5_BUILDER_H_
