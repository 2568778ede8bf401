// Reader of PyTorch weights (torch.save), without Python and without running
// anything: zip archives (PyTorch 1.6 and later) and the legacy layout before.
//
// What may be in the file: dicts, OrderedDicts, lists and tuples of tensors,
// numbers, strings and None. Anything else (classes, NumPy scalars, modules
// saved whole, sparse or quantized tensors) is an error that names it.
//
// Names: keys of nested dicts and positions in lists joined by '.'; what is no
// tensor is left out. A checkpoint, that is a dict with the key "state_dict",
// "model_state_dict" or "model" (looked for in this order) which holds a
// non-empty dict, gives that dict alone, without the key in the names. A file
// that is one tensor gives the name "tensor".
//
// Refused besides: encrypted or big-endian files, TorchScript, offsets and
// sizes outside the file or their storage, negative strides, and tensors with
// more elements than their storage (expanded views). Deflated members (an
// archive packed anew) are read. Allocations: storages, at most the size of the
// file in all; deflated members at most MaxInflated (pth_index.h), twice;
// copies of non-contiguous tensors, at most the storages again; bookkeeping as
// said in pickle_reader.h.
#ifndef SEGPAPERS_COMMON_IO_PTH_H_
#define SEGPAPERS_COMMON_IO_PTH_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"

namespace seg {

// Contiguous CPU tensors that do not require gradients. Contiguous tensors
// which share a storage in the file share memory here too, as with torch.load.
absl::StatusOr<TensorMap> ParsePth(const std::string& bytes);
absl::StatusOr<TensorMap> ReadPth(const std::string& path);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PTH_H_
