"""Repository rules for CUDA: the installed toolkit, and LibTorch's CUDA part."""

load("//third_party/libtorch:wheels.bzl", "fetch_wheels")

def _cuda_toolkit_impl(ctx):
    home = ctx.os.environ.get("CUDA_HOME", "") or "/usr/local/cuda"
    found = ctx.path(home + "/bin/nvcc").exists
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", "")
    ctx.file("defs.bzl", "CUDA_HOME = %s\n" % repr(home if found else ""))

cuda_toolkit = repository_rule(
    implementation = _cuda_toolkit_impl,
    environ = ["CUDA_HOME"],
    # nvcc may be installed between two builds.
    local = True,
    doc = "defs.bzl with CUDA_HOME: the toolkit's folder, or '' without nvcc.",
)

_BUILD = """
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "libtorch_cuda",
    srcs = glob([
        "torch/lib/*.so",
        "nvidia/**/lib/*.so*",
    ]),
    # The registration of CUDA kernels runs when the library is loaded; nothing
    # refers to its symbols.
    linkopts = ["-Wl,--no-as-needed"],
)
"""

def _libtorch_cuda_impl(ctx):
    fetch_wheels(
        ctx,
        ctx.attr._requirements,
        [
            "torch/lib/libtorch_cuda*.so",
            "torch/lib/libc10_cuda.so",
            "torch/lib/libcaffe2_nvrtc.so",
            "torch/lib/libtorch_nvshmem.so",
            "nvidia/*/lib/*.so*",
        ],
    )
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", _BUILD)

libtorch_cuda = repository_rule(
    implementation = _libtorch_cuda_impl,
    attrs = {
        "_requirements": attr.label(
            default = "//third_party/libtorch:requirements_cuda.txt",
            allow_single_file = True,
        ),
    },
    doc = "libtorch_cuda and the NVIDIA libraries it needs; about 2.5 GB.",
)
