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

def _use_local(ctx, home):
    """Links the LibTorch that SEG_LIBTORCH names; True where all is there."""
    root = ctx.path(home)
    for needed in ["include/torch/csrc/api/include/torch/torch.h", "lib/libtorch_cpu.so"]:
        if not root.get_child(needed).exists:
            fail(("SEG_LIBTORCH=%s is not LibTorch: %s is missing. Remedy: name " +
                  "the folder that holds include/ and lib/ (site-packages/torch " +
                  "of an installed torch 2.11), or unset it.") % (home, needed))
    version = root.get_child("include/torch/headeronly/version.h")
    text = ctx.read(version) if version.exists else ""
    if text.find("TORCH_VERSION_MAJOR 2\n") < 0 or text.find("TORCH_VERSION_MINOR 11\n") < 0:
        fail(("SEG_LIBTORCH=%s is not version 2.11. Remedy: unset it, or name a " +
              "LibTorch 2.11.") % home)
    ctx.symlink(root, "torch")
    libs = []
    for lib in _LIBS:
        if ctx.path(lib).exists:
            libs.append(lib)
    nvidia = root.get_child("../nvidia/cu13/lib")
    if nvidia.exists:
        ctx.symlink(nvidia, "nvidia/cu13/lib")
        libs += [lib for lib in _NVIDIA_LIBS if ctx.path(lib).exists]
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
    environ = ["SEG_LIBTORCH"],
    doc = "LibTorch for the CPU, from the wheel or from SEG_LIBTORCH.",
)
