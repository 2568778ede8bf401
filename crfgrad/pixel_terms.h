// The pairwise terms of one image as a single pixel sees them, while the
// labelling changes pixel by pixel (internal: energy.h and rounding.h). In
// double, on the CPU, one thread.
#ifndef CRFGRAD_PIXEL_TERMS_H_
#define CRFGRAD_PIXEL_TERMS_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "crfgrad/crf_layer.h"

namespace seg {
namespace crfgrad {

class PixelTerms {
 public:
  // The labelling v is zero at first. filters: any type, on the CPU. lattice:
  // of height * width points; null without the bilateral filter. Both are
  // looked at while this object lives.
  PixelTerms(const CrfFilters& filters, LatticePtr lattice, int64_t labels,
             int64_t height, int64_t width);

  // v[pixel] = values [L]. Updates the d+1 vertices of the pixel.
  void Replace(int64_t pixel, const double* values);

  // out[l] += (K v)[pixel, l]: (2 r + 1)^2 L^2 multiply-adds, and (d+1) taps
  // L^2 on the lattice; those of zeros in v are left out.
  void AddPairwise(int64_t pixel, double* out) const;

  // out[l * L + k] += S_pixel[l][k], what the pixel has with itself (energy.h).
  void AddSelf(int64_t pixel, double* out);

 private:
  void AddSpatial(int64_t pixel, double* out) const;
  void AddBilateral(int64_t pixel, double* out) const;

  const int64_t labels_, height_, width_;
  std::vector<double> values_;  // v, [P,L]

  at::Tensor spatial_;    // [rows,columns,k,l]; undefined without the term
  at::Tensor bilateral_;  // [taps,k,l]; likewise
  LatticePtr lattice_;
  int64_t corners_ = 0, taps_ = 0;
  const double* barycentric_ = nullptr;  // [P,d+1]
  const double* normalizer_ = nullptr;   // n, [P]
  std::vector<int32_t> neighbours_;      // [M,taps], -1: none
  std::vector<double> splat_;            // [M,L]
  std::vector<double> mark_;             // [M], zero between calls
};

// `filters` in double on the CPU, with the symmetric part of each term.
//   dim: of the lattices.
CrfFilters SymmetricPart(const CrfFilters& filters, int64_t dim);

// Throws (TORCH_CHECK) in the name of `op` unless q is [N,L,H,W] float32 or
// float64 and filters and lattices fit; lattices on the CPU.
void CheckPixelTerms(const char* op, const at::Tensor& q,
                     const CrfFilters& filters, const LatticeVector& lattices);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_PIXEL_TERMS_H_
