// Heap settings for training on CPU.
#ifndef COMMON_BASE_KEEP_FREED_MEMORY_H_
#define COMMON_BASE_KEEP_FREED_MEMORY_H_

namespace seg {

// Makes malloc keep freed blocks of every size for reuse instead of returning
// them to the system, for the whole process. Call it once at the start of main.
//
// Why: a training step allocates and frees the same activations of tens of
// megabytes again and again. By default glibc maps each one anew (above 32 MB
// always), and the kernel clears every page of it on first touch: a quarter of
// the step of a network at batch 8 (common/backbones/README.md has the
// measurement). The price: the resident size stays at its peak until exit.
//
// Affects malloc and so LibTorch's CPU tensors. Without glibc, or where a
// sanitizer replaces malloc, it does nothing. Results do not change.
void KeepFreedMemory();

}  // namespace seg

#endif  // COMMON_BASE_KEEP_FREED_MEMORY_H_
