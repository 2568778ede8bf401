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

absl::Status Bad(const std::string& path, const std::string& name,
                 const std::string& text) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", name, ": ", text));
}

absl::Status NoSuchArray(const std::string& path, const std::string& name,
                         hid_t file) {
  return absl::NotFoundError(absl::StrCat(path, ": no array '", name,
                                          "'; there are ",
                                          absl::StrJoin(ArraysOf(file), ", ")));
}

// Unsigned numbers of that many bytes.
bool IsUnsigned(hid_t type, size_t bytes) {
  return H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == bytes &&
         H5Tget_sign(type) == H5T_SGN_NONE;
}

// How many elements an array has; -1 where that cannot be had.
hssize_t CountOf(hid_t dataset) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  return space.ok() ? H5Sget_simple_extent_npoints(space.get()) : -1;
}

// The text that a reference leads to, or why there is none.
absl::StatusOr<std::string> ReadText(hid_t dataset, const hobj_ref_t& to) {
  constexpr hssize_t kLongest = 4096;
  const Handle object(H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, &to),
                      H5Oclose);
  if (!object.ok() || H5Iget_type(object.get()) != H5I_DATASET) {
    return absl::InvalidArgumentError("leads to no array");
  }
  const Handle type(H5Dget_type(object.get()), H5Tclose);
  const hssize_t length = CountOf(object.get());
  if (!IsUnsigned(type.get(), 2) || length < 1 || length > kLongest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "leads to no text of 1 .. ", kLongest, " characters of 16 bits"));
  }
  std::vector<uint16_t> letters(length);
  if (H5Dread(object.get(), H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT,
              letters.data()) < 0) {
    return absl::DataLossError("leads to a text that cannot be read");
  }
  std::string text;
  for (const uint16_t letter : letters) {
    if (letter < 32 || letter > 126) {
      return absl::InvalidArgumentError(absl::StrCat(
          "leads to a text with the character ", letter, ", expected ASCII"));
    }
    text.push_back(static_cast<char>(letter));
  }
  return text;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Hdf5Array>> Hdf5Array::Open(
    const std::string& path, const std::string& name) {
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  SEG_ASSIGN_OR_RETURN(const hid_t opened, OpenFile(path));
  Handle file(opened, H5Fclose);
  Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) return NoSuchArray(path, name, file.get());
  const Handle type(H5Dget_type(dataset.get()), H5Tclose);
  at::ScalarType kind = at::kByte;
  if (IsUnsigned(type.get(), 2)) {
    kind = at::kInt;
  } else if (H5Tget_class(type.get()) == H5T_FLOAT) {
    kind = at::kFloat;
  } else if (!IsUnsigned(type.get(), 1)) {
    return Bad(path, name,
               "expected unsigned numbers of 8 or 16 bits or floating-point "
               "numbers");
  }
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  const int axes = H5Sget_simple_extent_ndims(space.get());
  if (axes < 1 || axes > 8) {
    return Bad(path, name,
               absl::StrCat("has ", axes, " axes, expected 1 to 8"));
  }
  std::vector<hsize_t> sizes(axes);
  H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  constexpr hsize_t kMostRow = hsize_t{1} << 28;  // as of a picture (image.h)
  hsize_t row = 1;
  for (int i = 0; i < axes; ++i) {
    if (sizes[i] > kMostRow || (i > 0 && (row *= sizes[i]) > kMostRow)) {
      return Bad(path, name,
                 absl::StrCat("axes of ", absl::StrJoin(sizes, " x "),
                              " are too large"));
    }
  }
  // Last: its destructor takes the mutex too.
  std::shared_ptr<Hdf5Array> array(new Hdf5Array());
  array->path_ = path;
  array->type_ = kind;
  array->name_ = name;
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

absl::StatusOr<at::Tensor> Hdf5Array::Row(int64_t index) const {
  if (index < 0 || index >= rows()) {
    return absl::OutOfRangeError(absl::StrCat(
        path_, ": ", name_, ": row ", index, " asked for, there are ", rows()));
  }
  at::Tensor row = at::empty(at::IntArrayRef(sizes_).slice(1), type_);
  if (row.numel() == 0) return row;
  std::vector<hsize_t> start(sizes_.size(), 0);
  std::vector<hsize_t> count(sizes_.begin(), sizes_.end());
  start[0] = static_cast<hsize_t>(index);
  count[0] = 1;
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  BeQuiet();
  const hid_t memory = type_ == at::kFloat ? H5T_NATIVE_FLOAT
                       : type_ == at::kInt ? H5T_NATIVE_INT32
                                           : H5T_NATIVE_UINT8;
  const Handle from(H5Dget_space(dataset_), H5Sclose);
  const Handle to(
      H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
      H5Sclose);
  if (H5Sselect_hyperslab(from.get(), H5S_SELECT_SET, start.data(), nullptr,
                          count.data(), nullptr) < 0 ||
      H5Dread(dataset_, memory, to.get(), from.get(), H5P_DEFAULT,
              row.data_ptr()) < 0) {
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

absl::StatusOr<std::vector<std::string>> ReadHdf5Texts(
    const std::string& path, const std::string& name) {
  constexpr hssize_t kMost = 1 << 16;
  const std::lock_guard<std::mutex> lock(LibraryMutex());
  SEG_ASSIGN_OR_RETURN(const hid_t opened, OpenFile(path));
  const Handle file(opened, H5Fclose);
  const Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT),
                       H5Dclose);
  if (!dataset.ok()) return NoSuchArray(path, name, file.get());
  const Handle type(H5Dget_type(dataset.get()), H5Tclose);
  const hssize_t count = CountOf(dataset.get());
  if (H5Tequal(type.get(), H5T_STD_REF_OBJ) <= 0 || count < 0 ||
      count > kMost) {
    return Bad(path, name,
               absl::StrCat("expected at most ", kMost,
                            " references to texts, as of a cell array"));
  }
  std::vector<hobj_ref_t> references(count);
  if (count > 0 && H5Dread(dataset.get(), H5T_STD_REF_OBJ, H5S_ALL, H5S_ALL,
                           H5P_DEFAULT, references.data()) < 0) {
    return absl::DataLossError(absl::StrCat(
        path, ": ", name, " cannot be read; the file is damaged or cut short"));
  }
  std::vector<std::string> texts;
  for (const hobj_ref_t& reference : references) {
    absl::StatusOr<std::string> text = ReadText(dataset.get(), reference);
    if (!text.ok()) {
      return absl::Status(text.status().code(),
                          absl::StrCat(path, ": ", name, "[", texts.size(),
                                       "] ", text.status().message()));
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

}  // namespace seg
