"""What every paper's BUILD file makes."""

load("//tools:seg.bzl", "seg_cc_binary", "seg_cc_test")
load("//tools/reproduce:defs.bzl", "seg_reproduction_full_test")

_COMMANDS = ["train", "eval", "predict"]

def seg_commands():
    """:train, :eval, :predict (TrainMain and so on over :paper), :configs."""
    native.filegroup(
        name = "configs",
        srcs = native.glob(["configs/*.yaml"]),
    )
    for command in _COMMANDS:
        seg_cc_binary(
            name = command,
            srcs = [command + ".cc"],
            data = [":configs"],
            deps = [
                ":paper",
                "//common/app:" + command,
                "//third_party/libtorch:nn",
            ],
        )

def seg_paper(name, runs_overrides):
    """Commands, record and the tests that every paper has.

    Makes of the folder's files
      :train, :eval, :predict   train.cc, eval.cc, predict.cc over :paper
      :configs                  configs/*.yaml
      :record                   what the reproduction tests check
      :paper_test               paper_test.cc: common/testing/paper_test.h
      :bad_input_test           bad_input_test.sh, on the three commands
      :runs_test                what all runs share (common/testing/runs_test.sh)
      :reproduction_full_test   by hand: tools/reproduce/defs.bzl

    Args:
      name: the paper's folder.
      runs_overrides: of the default configuration, so that runs_test is quick.
    """
    native.filegroup(
        name = "record",
        srcs = [
            "README.md",
            "RESULTS.md",
            "protocol.yaml",
            "reported.yaml",
        ] + native.glob(["results/*.json"]),
    )
    seg_commands()
    programs = ["$(rootpath :%s)" % command for command in _COMMANDS]
    data = [":" + command for command in _COMMANDS] + [
        "//common/testing:bad_input.sh",
    ]
    seg_cc_test(
        name = "paper_test",
        size = "medium",
        srcs = ["paper_test.cc"],
        data = [":configs"] + native.glob(["testdata/run/**"]),
        deps = [
            ":paper",
            "//common/testing:paper_test",
            "//third_party/libtorch:nn",
        ],
    )
    native.sh_test(
        name = "bad_input_test",
        size = "medium",
        srcs = ["bad_input_test.sh"],
        args = programs,
        data = data,
    )
    native.sh_test(
        name = "runs_test",
        size = "medium",
        srcs = ["//common/testing:runs_test.sh"],
        args = programs + runs_overrides,
        data = data,
    )
    seg_reproduction_full_test(
        name = "reproduction_full_test",
        paper = name,
    )
