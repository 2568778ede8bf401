"""Macros for every C++ target of this repository. All compiler options sit here."""

SEG_COPTS = [
    "-std=c++17",
    "-fopenmp",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    # Collecting garbage in a gigabyte of parsed headers costs a tenth of the
    # compiler's time and frees little.
    "--param=ggc-min-expand=300",
    "--param=ggc-min-heapsize=2000000",
]
_LINKOPTS = ["-fopenmp"]

# What runs once a command, or waits for files and for LibTorch, as everything
# outside `common` does: to optimise it takes a quarter of its compile time.
_COLD = [
    "common/app",
    "common/backbones",
    "common/base",
    "common/config",
    "common/evaluation",
    "common/reporting",
    "common/reproduction",
    "common/stages",
    "common/training",
]

# LibTorch's headers take 10 to 20 s to parse. Targets that name one of these
# start from it parsed (tools/precompiled_header.bzl); of several, the largest.
_PRECOMPILED_FOR_TESTS = "//third_party/libtorch:test"
_PRECOMPILED = [
    _PRECOMPILED_FOR_TESTS,
    "//third_party/libtorch:nn",
    "//third_party/libtorch",
]

def _copts(copts, deps):
    package = native.package_name()
    if package in _COLD or not package.startswith("common/"):
        copts = ["-O1"] + copts  # a target's own option comes after it

    # GCC takes a precompiled header of another level of optimisation, and under
    # sanitizers it then crashes.
    if "-O3" in copts:
        return SEG_COPTS + copts
    for header in _PRECOMPILED:
        if header in deps:
            path = header[2:] if ":" in header else header[2:] + ":libtorch"
            return SEG_COPTS + [
                "-include",
                "$(BINDIR)/%s.h" % path.replace(":", "/"),
                "-Winvalid-pch",
            ] + copts
    return SEG_COPTS + copts

def _with_cuda(deps, cuda_deps):
    if not cuda_deps:
        return deps
    return deps + select({
        "//tools:cuda": cuda_deps,
        "//conditions:default": [],
    })

def _link_only_impl(ctx):
    linked = [CcInfo(linking_context = dep[CcInfo].linking_context) for dep in ctx.attr.deps]
    return [cc_common.merge_cc_infos(cc_infos = linked)]

_link_only = rule(
    implementation = _link_only_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
    doc = "Hands on what programs link of `deps`, and none of their headers.",
)

def _files(parts, extension):
    """PART.extension of each part that has such a file."""
    return native.glob([part + extension for part in parts], allow_empty = True)

def seg_cc_library(
        name,
        parts = None,
        srcs = None,
        hdrs = None,
        copts = [],
        linkopts = [],
        deps = [],
        cuda_deps = [],
        **kwargs):
    """A library; give `alwayslink = True` to one that registers operators.

    Args:
      name: target.
      parts: what it consists of: PART.cc and PART.h, or one of them; default
        NAME.
      srcs: default the parts' sources.
      hdrs: default the parts' headers.
      copts: further compiler options.
      linkopts: further linker options.
      deps: what the sources include.
      cuda_deps: what programs link besides under --config=cuda: operators for
        a card. No header of theirs reaches the library or its users, so a CUDA
        build compiles the very objects of the other one.
      **kwargs: passed to cc_library.
    """
    for part in parts or []:
        if not _files([part], ".cc") + _files([part], ".h"):
            fail("%s: there is no %s.cc and no %s.h" % (name, part, part))
    parts = parts or [name]
    if cuda_deps:
        _link_only(
            name = name + "_cuda_deps",
            tags = ["manual"],
            visibility = ["//visibility:private"],
            deps = cuda_deps,
        )
        cuda_deps = [":" + name + "_cuda_deps"]
    native.cc_library(
        name = name,
        srcs = _files(parts, ".cc") if srcs == None else srcs,
        hdrs = _files(parts, ".h") if hdrs == None else hdrs,
        copts = _copts(copts, deps),
        linkopts = _LINKOPTS + linkopts,
        linkstatic = True,
        deps = _with_cuda(deps, cuda_deps),
        **kwargs
    )

def seg_cc_binary(
        name,
        srcs = None,
        copts = [],
        linkopts = [],
        deps = [],
        cuda_deps = [],
        **kwargs):
    """A program of NAME.cc; the arguments are those of seg_cc_library.

    Of `cuda_deps` it sees the headers too.
    """
    native.cc_binary(
        name = name,
        srcs = [name + ".cc"] if srcs == None else srcs,
        copts = _copts(copts, deps),
        linkopts = _LINKOPTS + linkopts,
        deps = _with_cuda(deps, cuda_deps),
        **kwargs
    )

def seg_cc_test(
        name,
        size = "small",
        srcs = None,
        deps = [],
        copts = [],
        linkopts = [],
        **kwargs):
    """A GoogleTest binary of NAME.cc; `main` comes with it."""
    if [header for header in _PRECOMPILED if header in deps]:
        deps = deps + [_PRECOMPILED_FOR_TESTS]
    native.cc_test(
        name = name,
        size = size,
        srcs = [name + ".cc"] if srcs == None else srcs,
        # A test's own code runs once: to optimise it costs a quarter of its
        # compile time. (-O0 takes longest: every inline function is emitted.)
        copts = _copts(copts, deps) + ["-O1"],
        linkopts = _LINKOPTS + linkopts,
        # One object a source: a shared build would compile everything twice.
        linkstatic = True,
        deps = deps + ["//third_party/googletest"],
        **kwargs
    )

def seg_cc_benchmark(name, deps = [], **kwargs):
    """A Google Benchmark binary: built by //..., run by hand."""
    seg_cc_binary(
        name = name,
        testonly = True,
        deps = deps + ["//third_party/benchmark"],
        **kwargs
    )

def seg_fuzz_test(name, corpus, deps = [], **kwargs):
    """A libFuzzer target under --config=fuzz, else a test that runs the corpus.

    Args:
      name: the test; `bazel run --config=fuzz :name` fuzzes. NAME.cc defines
        LLVMFuzzerTestOneInput.
      corpus: what the plain test feeds: a zip with one member an input
        (NAME_seed_corpus.zip), or a file that is one input.
      deps: what the source includes.
      **kwargs: passed to cc_test.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = [name + ".cc"],
        copts = _copts([], deps),
        linkopts = _LINKOPTS + select({
            "//tools:fuzz": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        linkstatic = True,
        # libFuzzer takes a folder, named by hand.
        args = select({
            "//tools:fuzz": [],
            "//conditions:default": ["$(rootpath %s)" % corpus],
        }),
        data = [corpus],
        deps = deps + select({
            "//tools:fuzz": [],
            "//conditions:default": ["//tools:fuzz_corpus_main"],
        }),
        **kwargs
    )
