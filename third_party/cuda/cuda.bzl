"""Repository rules for CUDA: the installed toolkit, and LibTorch's CUDA part."""

load("//third_party/libtorch:wheels.bzl", "fetch_wheels")

_TOOLKIT_BUILD = """
# For what the host compiler compiles; empty without nvcc.
cc_library(
    name = "headers",
    hdrs = glob(
        ["include/*.h", "include/*.hpp", "include/crt/*"],
        allow_empty = True,
    ),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def _cuda_toolkit_impl(ctx):
    home = ctx.os.environ.get("CUDA_HOME", "") or "/usr/local/cuda"
    found = ctx.path(home + "/bin/nvcc").exists
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    if found:
        ctx.symlink(home + "/include", "include")
    ctx.file("BUILD", _TOOLKIT_BUILD)
    ctx.file("defs.bzl", "CUDA_HOME = %s\n" % repr(home if found else ""))

cuda_toolkit = repository_rule(
    implementation = _cuda_toolkit_impl,
    environ = ["CUDA_HOME"],
    # nvcc may be installed between two builds.
    local = True,
    doc = "defs.bzl with CUDA_HOME: the toolkit's folder, or '' without nvcc; " +
          "its headers.",
)

_BUILD = """
package(default_visibility = ["//visibility:public"])

# Linked by name and kept although nothing refers to their symbols: CUDA kernels
# register themselves when the library is loaded. What these two need is found
# by their own run paths, as in Python; naming it here would load it all, MPI
# and InfiniBand transports included, into every program.
cc_library(
    name = "libtorch_cuda",
    linkopts = [
        "-L{folder}",
        "-Wl,--no-as-needed",
        "-ltorch_cuda",
        "-lc10_cuda",
        "-Wl,-rpath,{folder}",
    ],
)
"""

def _libtorch_cuda_impl(ctx):
    home = ctx.os.environ.get("SEG_LIBTORCH", "")
    if home:
        folder = home + "/lib"
        if not ctx.path(folder + "/libtorch_cuda.so").exists:
            fail(("SEG_LIBTORCH=%s has no CUDA: lib/libtorch_cuda.so is " +
                  "missing. Remedy: name a torch 2.11 with CUDA 13, or unset " +
                  "it.") % home)
    else:
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
        folder = str(ctx.path("torch/lib"))
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", _BUILD.format(folder = folder))

libtorch_cuda = repository_rule(
    implementation = _libtorch_cuda_impl,
    attrs = {
        "_requirements": attr.label(
            default = "//third_party/libtorch:requirements_cuda.txt",
            allow_single_file = True,
        ),
    },
    environ = ["SEG_LIBTORCH"],
    doc = "libtorch_cuda and the NVIDIA libraries it needs; about 2.5 GB.",
)
