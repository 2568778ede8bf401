// Arrays in HDF5 files (.h5, .hdf5), read row by row: files that are larger
// than memory, such as pictures side by side in one array. By libhdf5 (the one
// source that includes it is hdf5.cc); only for files that one trusts, as the
// library checks damaged ones less than our own readers do.
#ifndef SEGPAPERS_COMMON_IO_HDF5_H_
#define SEGPAPERS_COMMON_IO_HDF5_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"

namespace seg {

// An array of one axis or more, kept open. Thread safe: one thread reads at a
// time, as the library allows no more.
class Hdf5Array {
 public:
  // name: a path in the file, "train_img" or "group/x". Unsigned bytes become
  // uint8, unsigned numbers of 16 bits int32, floating-point numbers float32;
  // other types are refused. Errors "PATH: reason": no such file, not HDF5, no
  // such array (names those of the root group), another type, no axis.
  static absl::StatusOr<std::shared_ptr<const Hdf5Array>> Open(
      const std::string& path, const std::string& name);
  ~Hdf5Array();
  Hdf5Array(const Hdf5Array&) = delete;
  Hdf5Array& operator=(const Hdf5Array&) = delete;

  const std::vector<int64_t>& sizes() const { return sizes_; }
  int64_t rows() const { return sizes_[0]; }
  // uint8, int32 or float32.
  at::ScalarType type() const { return type_; }

  // The entry at `index` of the first axis, contiguous, with the other axes.
  // OutOfRange for an index outside 0 .. rows()-1; DataLoss where the file
  // lacks its bytes.
  absl::StatusOr<at::Tensor> Row(int64_t index) const;

 private:
  Hdf5Array() = default;

  std::string path_, name_;
  int64_t file_ = -1;  // the library's handles
  int64_t dataset_ = -1;
  at::ScalarType type_ = at::kByte;
  std::vector<int64_t> sizes_;
};

// Names of the arrays in the root group, sorted.
absl::StatusOr<std::vector<std::string>> ListHdf5Arrays(
    const std::string& path);

// A cell array of texts as MATLAB 7.3 stores it: references to arrays of 16-bit
// characters. name: as above. returns: the texts in the order of the file.
// Errors "PATH: reason": as above, no array of references, a reference to
// something else, an empty text, a character outside ASCII.
absl::StatusOr<std::vector<std::string>> ReadHdf5Texts(const std::string& path,
                                                       const std::string& name);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_HDF5_H_
