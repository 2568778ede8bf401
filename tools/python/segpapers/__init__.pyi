from typing import Sequence, overload

from torch import ScriptObject, Tensor
from torch import device as _device

__version__: str

def simplex_projection(x: Tensor, leak: float = 0.0) -> Tensor: ...
def simplex_projection_step(
    q: Tensor, gradient: Tensor, step: float, leak: float = 0.0
) -> Tensor: ...
def label_convolution(q: Tensor, weight: Tensor) -> Tensor: ...
def narrow_convolution(
    x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0
) -> Tensor: ...
def convolution3x3(
    x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0
) -> Tensor: ...
def zero_unpool2d(x: Tensor) -> Tensor: ...
def zero_unpool_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor: ...
@overload
def modulated_norm(
    x: Tensor,
    gamma_beta: Tensor,
    slope: float = 1.0,
    mean: Tensor | None = None,
    inverse: Tensor | None = None,
) -> Tensor: ...
@overload
def modulated_norm(
    x: Tensor,
    gamma_beta: Sequence[Tensor],
    slope: Sequence[float],
    mean: Tensor | None = None,
    inverse: Tensor | None = None,
) -> list[Tensor]: ...
def spatial_propagation(
    x: Tensor,
    gates: Tensor,
    three_way: bool = True,
    rule: str = "divide",
    sum_all_gates: bool = False,
) -> Tensor: ...
def build_bilateral_lattice(
    images: Tensor, theta_position: float, theta_colour: float
) -> ScriptObject: ...
def build_spatial_lattice(
    images: int,
    height: int,
    width: int,
    theta: float,
    device: _device | str | None = None,
) -> ScriptObject: ...
def build_lattice(features: Tensor) -> ScriptObject: ...
def permutohedral_gaussian(
    values: Tensor,
    lattice: ScriptObject,
    normalization: str = "symmetric",
    reverse: bool = False,
) -> Tensor: ...
def permutohedral_filter(
    values: Tensor,
    filter: Tensor,
    lattice: ScriptObject,
    normalization: str = "symmetric",
) -> Tensor: ...
def mean_field(
    unary: Tensor,
    images: Tensor,
    iterations: int = 10,
    spatial_theta: float = 3.0,
    spatial_weight: float = 3.0,
    theta_position: float = 80.0,
    theta_colour: float = 13.0,
    bilateral_weight: float = 10.0,
    normalization: str = "symmetric",
) -> Tensor: ...
def mean_field_on_lattices(
    unary: Tensor,
    spatial: ScriptObject | None,
    bilateral: ScriptObject | None,
    iterations: int = 10,
    spatial_weight: float = 3.0,
    bilateral_weight: float = 10.0,
    normalization: str = "symmetric",
) -> Tensor: ...
def sample_gaussian(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor: ...
def gaussian_kl(
    mean_q: Tensor, log_variance_q: Tensor, mean_p: Tensor, log_variance_p: Tensor
) -> Tensor: ...
def gaussian_log_density(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor: ...
def cross_entropy(
    input: Tensor,
    target: Tensor,
    input_kind: str = "scores",
    reduction: str = "mean",
    ignore_label: int = 255,
    epsilon: float = 0.01,
) -> Tensor: ...
def soft_cross_entropy_sum(scores: Tensor, target: Tensor) -> Tensor: ...
def dice_loss(
    scores: Tensor, labels: Tensor, ignore_label: int = 255, epsilon: float = 1e-8
) -> Tensor: ...
def expected_iou(
    scores: Tensor,
    target: Tensor,
    per_image: bool = False,
    min_target_mass: float = 0.0,
    prediction_floor: float = 1e-8,
) -> Tensor: ...
def expected_uoi(
    scores: Tensor,
    target: Tensor,
    per_image: bool = False,
    min_target_mass: float = 0.0,
    prediction_floor: float = 1e-8,
) -> Tensor: ...
