"""CUDA kernels as C++ libraries, through nvcc."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@cuda_toolkit//:defs.bzl", "CUDA_HOME")

# One binary for Hopper, and PTX from Ampere on.
_ARCHITECTURES = [
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_80,code=compute_80",
]

def _cuda_library_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    deps = [dep[CcInfo] for dep in ctx.attr.deps]
    headers = depset(
        ctx.files.hdrs,
        transitive = [d.compilation_context.headers for d in deps],
    )
    objects = []
    for source in ctx.files.srcs:
        output = ctx.actions.declare_file("%s/%s.o" % (ctx.label.name, source.basename))
        arguments = ctx.actions.args()
        arguments.add_all(["-c", "-O3", "-std=c++17", "-Xcompiler=-fPIC,-Wall"])
        arguments.add_all(_ARCHITECTURES)
        arguments.add("-I.")
        arguments.add(source)
        arguments.add("-o", output)
        ctx.actions.run(
            executable = CUDA_HOME + "/bin/nvcc",
            arguments = [arguments],
            inputs = depset([source], transitive = [headers]),
            outputs = [output],
            mnemonic = "CudaCompile",
            use_default_shell_env = True,
        )
        objects.append(output)
    compiled = cc_common.create_compilation_outputs(
        objects = depset(objects),
        pic_objects = depset(objects),
    )
    linking, _ = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = toolchain,
        compilation_outputs = compiled,
        disallow_dynamic_library = True,
    )
    own = CcInfo(
        compilation_context = cc_common.create_compilation_context(
            headers = depset(ctx.files.hdrs),
        ),
        linking_context = linking,
    )
    return [
        DefaultInfo(files = depset(objects)),
        cc_common.merge_cc_infos(direct_cc_infos = [own], cc_infos = deps),
    ]

_cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
)

def seg_cuda_library(name, srcs, hdrs = [], deps = [], **kwargs):
    """Kernels and their launchers; no framework header may enter a .cu file.

    Compiled wherever nvcc is found, skipped (with all that needs it) elsewhere.

    Args:
      name: target.
      srcs: .cu files.
      hdrs: headers of the launchers, plain C++.
      deps: C++ libraries whose headers they include.
      **kwargs: visibility, tags.
    """
    _cuda_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        deps = deps + ["@libtorch//:libcudart"],
        target_compatible_with = [] if CUDA_HOME else ["//tools:nvcc"],
        **kwargs
    )
