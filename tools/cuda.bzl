"""CUDA kernels as C++ libraries, through nvcc."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@cuda_toolkit//:defs.bzl", "CUDA_HOME")
load("//tools:seg.bzl", "SEG_COPTS", "seg_cc_test")

# One binary for Hopper, and PTX for what comes before it (from Ampere on) and
# after it, which has clusters too.
_ARCHITECTURES = [
    "-gencode=arch=compute_90,code=[sm_90,compute_90]",
    "-gencode=arch=compute_80,code=compute_80",
]

# For what only a machine with nvcc can build.
CUDA_ONLY = [] if CUDA_HOME else ["//tools:nvcc"]

# Lines for the emulator's messages, and variables that nobody set are not zero;
# nvcc's pragmas are not the host compiler's.
_EMULATED_COPTS = [
    "-O1",
    "-g1",
    "-ftrivial-auto-var-init=pattern",
    "-Wno-unknown-pragmas",
] + select({
    "//tools:sanitized": [],
    # The compiler then calls the emulator at each access to memory, in place of
    # ThreadSanitizer (common/testing/cuda_emulator/access_hooks.cc).
    "//conditions:default": [
        "-fsanitize=thread",
        "--param=tsan-distinguish-volatile=1",
        "--param=tsan-instrument-func-entry-exit=0",
        # A float4 in one access, as on the card, where it has to be aligned.
        "-fno-tree-sra",
    ],
})

EMULATOR_DEFINES = select({
    "//tools:sanitized": [],
    "//conditions:default": ["SEG_CUDA_EMULATOR_SEES_ACCESSES"],
})

# What ptxas says goes to a file, without how long it took; the rest is shown.
_COMPILE = """
report=$1
shift
"$@" 2>"$report.all"
status=$?
grep -v "^ptxas info\\|^    [0-9]* bytes stack" "$report.all" >&2
grep "^ptxas info\\|^    [0-9]* bytes stack" "$report.all" |
  grep -v "Compile time" >"$report"
rm "$report.all"
exit $status
"""

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
    reports = []
    for source in ctx.files.srcs:
        output = ctx.actions.declare_file("%s/%s.o" % (ctx.label.name, source.basename))
        report = ctx.actions.declare_file("%s/%s.ptxas" % (ctx.label.name, source.basename))
        arguments = ctx.actions.args()
        arguments.add(report)
        arguments.add(CUDA_HOME + "/bin/nvcc")
        arguments.add_all(["-c", "-O3", "-std=c++17", "-Xcompiler=-fPIC,-Wall"])
        arguments.add("-Xptxas=-v")
        arguments.add_all(_ARCHITECTURES)
        arguments.add_all(ctx.attr.nvcc_copts)
        arguments.add("-I.")
        arguments.add(source)
        arguments.add("-o", output)
        ctx.actions.run_shell(
            command = _COMPILE,
            arguments = [arguments],
            inputs = depset([source], transitive = [headers]),
            outputs = [output, report],
            mnemonic = "CudaCompile",
            use_default_shell_env = True,
        )
        objects.append(output)
        reports.append(report)
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
        OutputGroupInfo(ptxas = depset(reports)),
        cc_common.merge_cc_infos(direct_cc_infos = [own], cc_infos = deps),
    ]

_cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "nvcc_copts": attr.string_list(),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
)

def _once(labels):
    return depset(labels).to_list()

def _emulated_name(label):
    if ":" in label:
        return label + "_emulated"
    return "%s:%s_emulated" % (label, label.split("/")[-1])

def seg_cuda_library(
        name,
        srcs,
        hdrs = [],
        textual_hdrs = [],
        deps = [],
        cuda_deps = [],
        nvcc_copts = [],
        emulated = True,
        visibility = None,
        **kwargs):
    """Kernels and their launchers; no framework header may enter a .cu file.

    NAME is compiled wherever nvcc is found, and skipped (with all that needs
    it) elsewhere. NAME_registers_test lists what its kernels take and fails
    where one spills registers. NAME_emulated is for tests: the same sources compiled by the
    host compiler for //common/testing/cuda_emulator, everywhere but in a CUDA
    build, where the operators link NAME, which defines the same functions.

    Args:
      name: target.
      srcs: .cu files; they include common/cuda/kernel.h, no CUDA header.
      hdrs: headers of the launchers, plain C++ (common/cuda/runtime.h).
      textual_hdrs: headers with device code (.cuh).
      deps: C++ libraries whose headers they include.
      cuda_deps: other targets of this macro.
      nvcc_copts: further options of nvcc, as "-fmad=false".
      emulated: False, for programs: there is no NAME_emulated and no
        NAME_registers_test.
      visibility: of both.
      **kwargs: tags.
    """
    _cuda_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs + textual_hdrs,
        deps = _once(deps + cuda_deps + [
            "//common/cuda:kernel",
            "@libtorch//:libcudart",
        ]),
        nvcc_copts = nvcc_copts,
        target_compatible_with = CUDA_ONLY,
        visibility = visibility,
        **kwargs
    )
    if not emulated:
        return
    native.filegroup(
        name = name + "_ptxas",
        srcs = [name],
        output_group = "ptxas",
        tags = ["manual"],
        visibility = ["//visibility:private"],
    )
    native.sh_test(
        name = name + "_registers_test",
        size = "small",
        srcs = ["//tools/kernel_registers:check.sh"],
        args = ["$(locations :%s_ptxas)" % name],
        data = [name + "_ptxas"],
        # A sanitizer changes nothing for nvcc, and would have it compile again.
        tags = [
            "kernel_registers",
            "no_asan",
        ],
        target_compatible_with = CUDA_ONLY,
    )

    # Bazel takes no .cu for a source of C++, but for text that one includes.
    # Messages then name the .cu and its lines.
    generated = []
    for source in srcs:
        output = "%s_emulated/%s.cc" % (name, source)
        native.genrule(
            name = output + "_includes",
            outs = [output],
            cmd = "echo '#include \"%s/%s\"' > $@" % (
                native.package_name(),
                source,
            ),
            visibility = ["//visibility:private"],
        )
        generated.append(output)
    native.cc_library(
        name = name + "_emulated",
        testonly = True,
        srcs = generated,
        hdrs = hdrs,
        textual_hdrs = srcs + textual_hdrs,
        copts = SEG_COPTS + _EMULATED_COPTS,
        # In the tests too: it chooses what common/cuda/runtime.h is.
        defines = ["SEG_CUDA_EMULATOR"],
        linkstatic = True,
        target_compatible_with = select({
            "//tools:cuda": ["//tools:nvcc"],
            "//conditions:default": [],
        }),
        visibility = visibility,
        deps = _once(deps + [_emulated_name(dep) for dep in cuda_deps] + [
            "//common/cuda:kernel",
            "//common/testing/cuda_emulator",
        ]),
        **kwargs
    )

def seg_cuda_test(name, kernels, deps = [], tags = [], **kwargs):
    """A GoogleTest of kernels, twice: in the emulator and on a card.

    NAME runs them in //common/testing/cuda_emulator, in every test run. The
    same source as NAME_on_card (tags gpu and manual) runs on a card; it is
    built where nvcc is found, by name.

    Args:
      name: both tests are NAME.cc, which includes emulator.h of the emulator.
      kernels: targets of seg_cuda_library.
      deps: what it includes besides.
      tags: of both.
      **kwargs: of both, as seg_cc_test.
    """
    seg_cc_test(
        name = name,
        tags = tags,
        deps = deps + [_emulated_name(kernel) for kernel in kernels] + [
            "//common/testing/cuda_emulator",
        ],
        **kwargs
    )
    seg_cc_test(
        name = name + "_on_card",
        srcs = kwargs.pop("srcs", [name + ".cc"]),
        tags = tags + ["gpu", "manual"],
        target_compatible_with = CUDA_ONLY,
        deps = deps + kernels + ["//common/testing/cuda_emulator:card"],
        **kwargs
    )

def seg_cuda_benchmark(name, kernels, deps = [], **kwargs):
    """A program of NAME.cu that times kernels; //tools:gpu_check runs it.

    It needs no LibTorch, takes the path of a JSON file to write, and exits 1
    where a result is wrong.

    Args:
      name: target.
      kernels: targets of seg_cuda_library.
      deps: C++ libraries that it includes besides.
      **kwargs: of the binary, as cc_binary.
    """
    seg_cuda_library(
        name = name + "_kernels",
        srcs = [name + ".cu"],
        deps = deps,
        cuda_deps = kernels,
        emulated = False,
        visibility = ["//visibility:private"],
    )
    native.cc_binary(
        name = name,
        deps = [name + "_kernels"],
        tags = ["cuda_benchmark"],
        target_compatible_with = CUDA_ONLY,
        **kwargs
    )
