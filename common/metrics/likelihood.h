// Log-likelihood of an observation under a model with latent variables, from
// samples.
//
//   L = log E[w],  estimated by  log (1/S) sum_s w_s
//
// with, for latents z_s drawn from
//   the prior p(z|x):         w_s = p(y|x,z_s)                    (Monte Carlo)
//   a proposal q(z|x,y):      w_s = p(y|x,z_s) p(z_s|x) / q(z_s|x,y)
//                                                     (importance sampling)
// The mean of w is unbiased; its logarithm is a lower bound of L on average,
// too low by about standard_error^2 / 2.
//
// Source: Sohn et al. 2015, Sec. 4.3 (S = 50 in the authors' code).

#ifndef COMMON_METRICS_LIKELIHOOD_H_
#define COMMON_METRICS_LIKELIHOOD_H_

#include <cstdint>

#include "absl/types/span.h"

namespace seg {

struct LikelihoodEstimate {
  double log_likelihood = 0.0;  // nats
  // Of log_likelihood, by the delta method: standard error of the mean of w
  // over that mean. NaN for one sample, and where all weights are zero. An
  // underestimate where effective_samples is small.
  double standard_error = 0.0;
  // (sum w)^2 / sum w^2, in 1..S: how many equal weights would do as well. 0
  // where all weights are zero.
  double effective_samples = 0.0;
  int64_t samples = 0;  // S
};

// log_weights: log w_s, in nats; -infinity is a weight of zero. Any size of
// weights: log-sum-exp. No weights, NaN or +infinity are errors.
LikelihoodEstimate EstimateLogLikelihood(absl::Span<const double> log_weights);

}  // namespace seg

#endif  // COMMON_METRICS_LIKELIHOOD_H_
