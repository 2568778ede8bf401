#include "common/io/hdf5.h"

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "hdf5/serial/hdf5.h"

namespace seg {
namespace {

// Debian's build of the library has locks of its own, others have none.
std::mutex& LibraryMutex() {
  static auto* mutex = new std::mutex();
  return *mutex;
}

// No messages on stderr; the setting is a thread's own.
void BeQuiet() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

// A handle that is closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }
  hid_t Release() {
    const hid_t id = id_;
    id_ = -1;
    return id;
  }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// With the mutex held.
absl::StatusOr<hid_t> OpenFile(const std::string& path) {
  BeQuiet();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is no HDF5 file, or is damaged"));
  }
  return file;
}

herr_t AddIfArray(hid_t group, const char* name, const H5L_info_t* /*info*/,
                  void* names) {
  const Handle object(H5Oopen(group, name, H5P_DEFAULT), H5Oclose);
  if (object.ok() && H5Iget_type(object.get()) == H5I_DATASET) {
    static_cast<std::vector<std::string>*>(names)->push_back(name);
  }
  return 0;
}

std::vector<std::string> ArraysOf(hid_t file) {
  std::vector<std::string> names;
  H5Literate(file, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, AddIfArray, &names);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Hdf5Array>> Hdf5Array::Open(
    const std::string& path, const std::string& name) {
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  SEG_ASSIGN_OR_RETURN(const hid_t opened, OpenFile(path));
  Handle file(opened, H5Fclose);
  const auto bad = [&](const std::string& text) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", name, ": ", text));
  };
  Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) {
    return absl::NotFoundError(
        absl::StrCat(path, ": no array '", name, "'; there are ",
                     absl::StrJoin(ArraysOf(file.get()), ", ")));
  }
  const Handle type(H5Dget_type(dataset.get()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.get());
  const bool is_byte = kind == H5T_INTEGER && H5Tget_size(type.get()) == 1 &&
                       H5Tget_sign(type.get()) == H5T_SGN_NONE;
  if (!is_byte && kind != H5T_FLOAT) {
    return bad("expected unsigned bytes or floating-point numbers");
  }
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  const int axes = H5Sget_simple_extent_ndims(space.get());
  if (axes < 1 || axes > 8) {
    return bad(absl::StrCat("has ", axes, " axes, expected 1 to 8"));
  }
  std::vector<hsize_t> sizes(axes);
  H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  constexpr hsize_t kMostRow = hsize_t{1} << 28;  // as of a picture (image.h)
  hsize_t row = 1;
  for (int i = 0; i < axes; ++i) {
    if (sizes[i] > kMostRow || (i > 0 && (row *= sizes[i]) > kMostRow)) {
      return bad(absl::StrCat("axes of ", absl::StrJoin(sizes, " x "),
                              " are too large"));
    }
  }
  std::shared_ptr<Hdf5Array> array(new Hdf5Array());
  array->path_ = path;
  array->name_ = name;
  array->is_float_ = !is_byte;
  array->sizes_.assign(sizes.begin(), sizes.end());
  array->file_ = file.Release();
  array->dataset_ = dataset.Release();
  return array;
}

Hdf5Array::~Hdf5Array() {
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  if (dataset_ >= 0) H5Dclose(dataset_);
  if (file_ >= 0) H5Fclose(file_);
}

at::ScalarType Hdf5Array::type() const {
  return is_float_ ? at::kFloat : at::kByte;
}

absl::StatusOr<at::Tensor> Hdf5Array::Row(int64_t index) const {
  if (index < 0 || index >= rows()) {
    return absl::OutOfRangeError(absl::StrCat(
        path_, ": ", name_, ": row ", index, " asked for, there are ", rows()));
  }
  at::Tensor row = at::empty(at::IntArrayRef(sizes_).slice(1), type());
  if (row.numel() == 0) return row;
  std::vector<hsize_t> start(sizes_.size(), 0);
  std::vector<hsize_t> count(sizes_.begin(), sizes_.end());
  start[0] = static_cast<hsize_t>(index);
  count[0] = 1;
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  BeQuiet();
  const Handle from(H5Dget_space(dataset_), H5Sclose);
  const Handle to(
      H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
      H5Sclose);
  if (H5Sselect_hyperslab(from.get(), H5S_SELECT_SET, start.data(), nullptr,
                          count.data(), nullptr) < 0 ||
      H5Dread(dataset_, is_float_ ? H5T_NATIVE_FLOAT : H5T_NATIVE_UINT8,
              to.get(), from.get(), H5P_DEFAULT, row.data_ptr()) < 0) {
    return absl::DataLossError(
        absl::StrCat(path_, ": ", name_, ": row ", index,
                     " cannot be read; the file is damaged or cut short"));
  }
  return row;
}

absl::StatusOr<std::vector<std::string>> ListHdf5Arrays(
    const std::string& path) {
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  SEG_ASSIGN_OR_RETURN(const hid_t opened, OpenFile(path));
  const Handle file(opened, H5Fclose);
  return ArraysOf(file.get());
}

}  // namespace seg
