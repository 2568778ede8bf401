"""The full reproduction test that each paper's BUILD file declares."""

load("//tools:seg.bzl", "seg_cc_test")

def seg_reproduction_full_test(name, paper):
    """Checks a paper's record and measures its quick part anew; run by hand.

    Args:
      name: the test, `reproduction_full_test` by convention.
      paper: its folder; holds :train, :eval, :record (a filegroup of README.md,
        reported.yaml, protocol.yaml, results) and :configs.
    """
    seg_cc_test(
        name = name,
        size = "enormous",
        srcs = ["//tools/reproduce:full_test.cc"],
        data = [":configs", ":eval", ":record", ":train"],
        env = {"SEG_PAPER": paper},
        tags = ["cpu:2", "exclusive", "manual"],
        deps = [
            "//common/base:runfiles",
            "//common/reproduction:claims",
            "//common/reproduction:paper_record",
            "//common/reproduction:protocol",
            "//common/reproduction:results",
            "//common/reproduction:table",
            "//common/testing:status_matchers",
            "//third_party/abseil",
            "//tools/reproduce:needed_pack",
            "//tools/reproduce:runner",
        ],
    )
