"""Operators for segmentation, for PyTorch 2.11.

Each function is a differentiable operator of LibTorch's dispatcher
(torch.ops.segpapers.NAME), in C++: it works with autograd, torch.autocast
(half types), torch.compile and fake tensors, and takes tensors of any strides.
Types and defaults are in the stub beside this file, README.md has examples.
"""

import importlib.metadata as _metadata
import os as _os

import torch as _torch

# What the library is compiled against: a class of LibTorch may be laid out
# otherwise in another version.
_TORCH = (2, 11)

_found = tuple(int(x) for x in _torch.__version__.split(".")[:2])
if _found != _TORCH:
    raise ImportError(
        "segpapers is built for torch %d.%d, found %s" % (_TORCH + (_torch.__version__,))
    )

_torch.ops.load_library(
    _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "libsegpapers_ops.so")
)
_ops = _torch.ops.segpapers

try:
    __version__ = _metadata.version("segpapers")
except _metadata.PackageNotFoundError:
    __version__ = "0"


def simplex_projection(x, leak=0.0):
    """Projects each pixel's labels onto the probability simplex.

    x: [N, L, ...], labels on dimension 1. With leak > 0 entries below the
    threshold keep that share of their distance instead of 0. Differentiable any
    number of times. CPU and CUDA.
    """
    return _ops.simplex_projection(x, leak)


def simplex_projection_step(q, gradient, step, leak=0.0):
    """simplex_projection(q - step * gradient, leak) in one pass over memory."""
    return _ops.simplex_projection_step(q, gradient, step, leak)


def label_convolution(q, weight):
    """Convolution between label planes, zero padding, stride 1.

    q: [N, L_in, H, W]; weight: [L_out, L_in, K_h, K_w], both odd. For few
    labels and large kernels. Differentiable any number of times.
    """
    return _ops.label_convolution(q, weight)


def narrow_convolution(x, weight, bias, slope=1.0):
    """3x3 convolution of few channels with bias and leaky ReLU, on the CPU.

    x: [N, C, H, W]; weight: [O, C, 3, 3]; bias: [O]. Returns channels last.
    """
    return _ops.narrow_convolution(x, weight, bias, slope)


def convolution3x3(x, weight, bias, slope=1.0):
    """The same by the fastest of narrow_convolution and torch's convolution."""
    return _ops.convolution3x3(x, weight, bias, slope)


def zero_unpool2d(x):
    """[N, C, H, W] -> [N, C, 2H, 2W]: each value at the top left of its block."""
    return _ops.zero_unpool2d(x)


def zero_unpool_convolution(x, weight, bias=None):
    """conv2d(zero_unpool2d(x), weight, bias) without the products by zero.

    weight: [C_out, C_in, k, k], k odd; padding (k - 1) / 2.
    """
    return _ops.zero_unpool_convolution(x, weight, bias)


def modulated_norm(x, gamma_beta, slope=1.0, mean=None, inverse=None):
    """leaky_relu((1 + gamma) * (x - mean) * inverse + beta), as one operator.

    gamma_beta: [N, 2C, H, W] or [N, 2C], gamma first; or a list of one or two,
    with as many slopes: the result is then a list. mean, inverse: [C], of
    running statistics; None: those of the batch, with their gradient. CPU.
    """
    single = isinstance(gamma_beta, _torch.Tensor)
    modulations = [gamma_beta] if single else list(gamma_beta)
    slopes = [slope] if isinstance(slope, (int, float)) else list(slope)
    fixed = mean is not None
    if fixed != (inverse is not None):
        raise ValueError("modulated_norm: give both mean and inverse, or neither")
    if not fixed:
        with _torch.no_grad():
            means, squares = _ops.modulated_norm_statistics(x.detach())
            count = x.shape[0] * x.shape[2] * x.shape[3]
            mean = means.to(x.dtype)
            inverse = (squares / count + 1e-5).rsqrt().to(x.dtype)
    result = _ops.modulated_norm(x, modulations, slopes, mean, inverse, fixed)
    return result[0] if single else result


def spatial_propagation(x, gates, three_way=True, rule="divide", sum_all_gates=False):
    """Linear recurrence over the image in four directions, merged by maximum.

    x: [N, C, H, W]; gates: [N, 12 C, H, W] (4 C one-way), as a network gives
    them. rule: divide, divide_plus, clamp, tanh or none makes the weights of
    the recurrence. Differentiable once.
    """
    return _ops.spatial_propagation(x, gates, three_way, rule, sum_all_gates)


def build_bilateral_lattice(images, theta_position, theta_colour):
    """Permutohedral lattices of position and colour, one an image.

    images: [N, 3, H, W] RGB, 0..255. The object is for permutohedral_gaussian,
    permutohedral_filter and mean_field_on_lattices; len() is N.
    """
    return _ops.build_bilateral_lattice(images, theta_position, theta_colour)


def build_spatial_lattice(images, height, width, theta, device=None):
    """The lattice of the pixels' positions, shared by `images` images.

    device: where the values to filter are; None: the CPU.
    """
    return _ops.build_spatial_lattice(images, height, width, theta, device)


def build_lattice(features):
    """Lattices of any features [N, P, d]: P points of d dimensions each."""
    return _ops.build_lattice(features)


def permutohedral_gaussian(values, lattice, normalization="symmetric", reverse=False):
    """Gaussian filter of values [N, L, H, W] or [N, L, P] in feature space.

    normalization: none, symmetric, before or after. reverse: the order of the
    blurs, the exact adjoint. Differentiable any number of times in the values.
    """
    return _ops.permutohedral_gaussian(values, lattice, normalization, reverse)


def permutohedral_filter(values, filter, lattice, normalization="symmetric"):
    """Filter with learned taps [L_out, L, taps] between lattice neighbours.

    taps = (s + 1)^(d + 1) - s^(d + 1) for support s, 63 for d = 5, s = 1.
    Differentiable once, in values and filter.
    """
    return _ops.permutohedral_filter(values, filter, lattice, normalization)


def mean_field(
    unary,
    images,
    iterations=10,
    spatial_theta=3.0,
    spatial_weight=3.0,
    theta_position=80.0,
    theta_colour=13.0,
    bilateral_weight=10.0,
    normalization="symmetric",
):
    """Mean-field inference in a dense CRF, as densecrf does it.

    unary: [N, L, H, W] energies, -log p; images: [N, 3, H, W] RGB, 0..255.
    Returns probabilities [N, L, H, W]. Differentiable in unary.
    """
    return _ops.mean_field(
        unary,
        images,
        iterations,
        spatial_theta,
        spatial_weight,
        theta_position,
        theta_colour,
        bilateral_weight,
        normalization,
    )


def mean_field_on_lattices(
    unary,
    spatial,
    bilateral,
    iterations=10,
    spatial_weight=3.0,
    bilateral_weight=10.0,
    normalization="symmetric",
):
    """mean_field with lattices that are built once; None leaves a kernel out."""
    return _ops.mean_field_on_lattices(
        unary,
        spatial,
        bilateral,
        iterations,
        spatial_weight,
        bilateral_weight,
        normalization,
    )


def sample_gaussian(mean, log_variance, noise):
    """mean + exp(log_variance / 2) * noise."""
    return _ops.sample_gaussian(mean, log_variance, noise)


def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    """KL(q || p) of each component, in nats; sum over dimensions 1 on for [N]."""
    return _ops.gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p)


def gaussian_log_density(mean, log_variance, z):
    """Log density of z, summed over components, float64 [N]."""
    return _ops.gaussian_log_density(mean, log_variance, z)


def cross_entropy(
    input, target, input_kind="scores", reduction="mean", ignore_label=255, epsilon=0.01
):
    """Cross-entropy of labelled pixels; 0, not NaN, where all are ignored.

    input_kind: scores, log_probabilities or probabilities (used above the floor
    epsilon, along the tangent below: simplex projections give exact zeros).
    """
    return _ops.cross_entropy(input, target, input_kind, reduction, ignore_label, epsilon)


def soft_cross_entropy_sum(scores, target):
    """-sum(target * log_softmax(scores)) over all pixels and images."""
    return _ops.soft_cross_entropy_sum(scores, target)


def dice_loss(scores, labels, ignore_label=255, epsilon=1e-8):
    """Mean Dice loss over images and classes, of the soft-max of scores."""
    return _ops.dice_loss(scores, labels, ignore_label, epsilon)


def expected_iou(scores, target, per_image=False, min_target_mass=0.0, prediction_floor=1e-8):
    """Expected intersection over union with class shares [N, C, ...], a scalar."""
    return _ops.expected_iou(
        scores, target, int(per_image), 0, min_target_mass, 0, 0, prediction_floor
    )[0]


def expected_uoi(scores, target, per_image=False, min_target_mass=0.0, prediction_floor=1e-8):
    """Expected union over intersection, a loss; arguments as expected_iou."""
    return _ops.expected_uoi(
        scores, target, int(per_image), 0, min_target_mass, 0, 0, prediction_floor
    )[0]
