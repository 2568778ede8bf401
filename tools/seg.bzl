"""Macros for every C++ target of this repository. All compiler options sit here."""

SEG_COPTS = [
    "-std=c++17",
    "-fopenmp",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
]
_LINKOPTS = ["-fopenmp"]

# LibTorch's headers take 10 to 20 s to parse. Targets that name one of these
# start from it parsed (tools/precompiled_header.bzl); of two, the larger.
_PRECOMPILED = [
    "//third_party/libtorch:nn",
    "//third_party/libtorch",
]

def _copts(copts, deps):
    for header in _PRECOMPILED:
        if header in deps:
            path = header[2:] if ":" in header else header[2:] + ":libtorch"
            return SEG_COPTS + [
                "-include",
                "$(BINDIR)/%s.h" % path.replace(":", "/"),
                "-Winvalid-pch",
            ] + copts
    return SEG_COPTS + copts

def seg_cc_library(name, copts = [], linkopts = [], deps = [], **kwargs):
    """A library; give `alwayslink = True` to one that registers operators."""
    native.cc_library(
        name = name,
        copts = _copts(copts, deps),
        linkopts = _LINKOPTS + linkopts,
        linkstatic = True,
        deps = deps,
        **kwargs
    )

def seg_cc_binary(name, copts = [], linkopts = [], deps = [], **kwargs):
    native.cc_binary(
        name = name,
        copts = _copts(copts, deps),
        linkopts = _LINKOPTS + linkopts,
        deps = deps,
        **kwargs
    )

def seg_cc_test(name, size = "small", deps = [], copts = [], linkopts = [], **kwargs):
    """A GoogleTest binary; `main` comes with it."""
    native.cc_test(
        name = name,
        size = size,
        copts = _copts(copts, deps),
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

def seg_fuzz_test(name, srcs, deps = [], corpus = [], **kwargs):
    """A libFuzzer target under --config=fuzz, else a test that runs the corpus.

    Args:
      name: the test; `bazel run --config=fuzz :name` fuzzes.
      srcs: one file that defines LLVMFuzzerTestOneInput.
      deps: what the source includes.
      corpus: files that the plain test feeds once each.
      **kwargs: passed to cc_test.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs + select({
            "//tools:fuzz": [],
            "//conditions:default": ["//tools:fuzz_corpus_main.cc"],
        }),
        copts = _copts([], deps),
        linkopts = _LINKOPTS + select({
            "//tools:fuzz": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        linkstatic = True,
        args = ["$(rootpath %s)" % f for f in corpus],
        data = corpus,
        deps = deps,
        **kwargs
    )
