// Reader and writer of the safetensors format (huggingface/safetensors,
// README "Format"; the checks are those of its `validate`).
//
//   u64 N | N bytes JSON header | data
//   header: {"__metadata__": {str: str}?, NAME: {"dtype": "F32",
//            "shape": [..], "data_offsets": [begin, end]}, ...}
//
// dtypes: BOOL U8 I8 I16 I32 I64 U16 U32 U64 F16 BF16 F32 F64 C64 F8_E4M3
// F8_E5M2 F8_E8M0, to and from the LibTorch type of the same meaning.
//
// Reading refuses: a header beyond the file or above 100 MB, JSON that is not
// of the shape above, duplicate keys, unknown dtypes, sizes that overflow or
// differ from shape * dtype, and offsets that leave the data, overlap, leave
// holes or do not cover it. Nothing is allocated from a size in the file
// before that size was found to lie within the file; the tensors together take
// no more than the file. A bool stored as other than 0 or 1 is refused too.
#ifndef SEGPAPERS_COMMON_IO_SAFETENSORS_H_
#define SEGPAPERS_COMMON_IO_SAFETENSORS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"

namespace seg {

using StringMap = std::map<std::string, std::string>;

// CPU tensors, contiguous, each with a storage of its own. `metadata`, when
// given, receives the "__metadata__" entry (empty when there is none).
absl::StatusOr<TensorMap> ParseSafetensors(const std::string& bytes,
                                           StringMap* metadata = nullptr);
absl::StatusOr<TensorMap> ReadSafetensors(const std::string& path,
                                          StringMap* metadata = nullptr);

// The bytes of a file. Deterministic: equal input gives equal bytes. Tensors
// are laid out by falling element size, then by name, so that each begins at a
// multiple of its element size; the header is padded with blanks to a multiple
// of 8 bytes. Tensors may be on any device and have any strides; what shares a
// storage is written once per name. Names and metadata must be UTF-8, and
// "__metadata__" is not a name. Other dtypes (complex128, quantized, sparse)
// are refused.
absl::StatusOr<std::string> SerializeSafetensors(
    const TensorMap& tensors, const StringMap& metadata = {});

// SerializeSafetensors, then WriteFileAtomically.
absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors,
                              const StringMap& metadata = {});

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_SAFETENSORS_H_
