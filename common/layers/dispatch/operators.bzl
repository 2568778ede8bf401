"""The libraries that register operators with the dispatcher."""

OPERATORS = [
    "//common/layers/conditional_norm:modulated_norm",
    "//common/layers/gaussian_latent",
    "//common/layers/label_convolution",
    "//common/layers/mean_field:mean_field_library",
    "//common/layers/narrow_convolution",
    "//common/layers/permutohedral:permutohedral_library",
    "//common/layers/simplex_projection",
    "//common/layers/spatial_propagation:spatial_propagation_library",
    "//common/layers/zero_unpool",
    "//common/losses:cross_entropy",
    "//common/losses:dice",
    "//common/losses:expected_iou",
    "//common/losses:soft_cross_entropy",
]
