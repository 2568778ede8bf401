"""Repository rule for LibTorch 2.11 (CPU part)."""

load(":wheels.bzl", "fetch_wheels")

_BUILD = """
package(default_visibility = ["//visibility:public"])

[
    cc_import(
        name = lib.split("/")[-1].split(".so")[0],
        shared_library = lib,
    )
    for lib in {libs}
]

cc_library(
    name = "libtorch",
    hdrs = glob(["torch/include/**"]),
    # As system headers, so that our warnings stay ours.
    includes = [
        "torch/include",
        "torch/include/torch/csrc/api/include",
    ],
    deps = [lib.split("/")[-1].split(".so")[0] for lib in {libs}],
)
"""

_LIBS = [
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
]
_NVIDIA_LIBS = [
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
]

# What libtorch_cpu.so may need beside it, other than the C and C++ libraries.
_COMPANIONS = ["libcudart", "libcupti", "libgomp"]

_REMEDY = ("name the folder that holds include/ and lib/ (site-packages/torch " +
           "of an installed torch 2.11)")

def _fail_local(home, reason, remedy = _REMEDY):
    fail("SEG_LIBTORCH=%s %s. Remedy: %s, or unset it." % (home, reason, remedy))

def _use_local(ctx, home):
    """Links the LibTorch that SEG_LIBTORCH names; the libraries to import."""
    if not home.startswith("/"):
        _fail_local(home, "is not an absolute path")
    for needed in ["include/torch/csrc/api/include/torch/torch.h", "lib/libtorch_cpu.so", "lib/libc10.so"]:
        if not ctx.path(home + "/" + needed).exists:
            _fail_local(home, "is not LibTorch: %s is missing" % needed)
    version = ctx.path(home + "/include/torch/headeronly/version.h")
    text = ctx.read(version) if version.exists else ""
    if "TORCH_VERSION_MAJOR 2\n" not in text or "TORCH_VERSION_MINOR 11\n" not in text:
        _fail_local(home, "is not version 2.11")
    ctx.symlink(home, "torch")
    libs = ["torch/lib/libtorch_cpu.so", "torch/lib/libc10.so"]

    # The wheel of PyPI needs two CUDA libraries even on the CPU. They come with
    # it, with the packages beside it, or with the CUDA toolkit.
    cuda = ctx.os.environ.get("CUDA_HOME", "") or "/usr/local/cuda"
    folders = [
        home + "/lib",
        home + "/../nvidia/cu13/lib",
        cuda + "/lib64",
        cuda + "/extras/CUPTI/lib64",
    ]
    result = ctx.execute(["readelf", "-d", home + "/lib/libtorch_cpu.so"])
    for line in result.stdout.splitlines():
        name = line[line.find("[") + 1:line.rfind("]")]
        if "(NEEDED)" not in line or name.split(".so")[0].split("-")[0] not in _COMPANIONS:
            continue
        found = [f for f in folders if ctx.path(f + "/" + name).exists]
        if not found:
            _fail_local(
                home,
                "needs %s, which is in none of %s" % (name, ", ".join(folders)),
                "install the packages that torch 2.11 requires, set CUDA_HOME " +
                "to a CUDA 13 toolkit",
            )
        ctx.symlink(found[0] + "/" + name, "companions/" + name)
        libs.append("companions/" + name)
    return libs

def _libtorch_impl(ctx):
    home = ctx.os.environ.get("SEG_LIBTORCH", "")
    if home:
        libs = _use_local(ctx, home)
    else:
        libs = _LIBS + _NVIDIA_LIBS
        fetch_wheels(
            ctx,
            ctx.attr._requirements,
            ["torch/include/*"] + libs,
        )
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", _BUILD.format(libs = repr(libs)))

libtorch = repository_rule(
    implementation = _libtorch_impl,
    attrs = {
        "_requirements": attr.label(
            default = "//third_party/libtorch:requirements_cpu.txt",
            allow_single_file = True,
        ),
    },
    environ = ["SEG_LIBTORCH", "CUDA_HOME"],
    doc = "LibTorch for the CPU, from the wheel or from SEG_LIBTORCH.",
)
