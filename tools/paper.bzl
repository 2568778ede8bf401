"""What every paper's BUILD file makes."""

load("//tools:seg.bzl", "seg_cc_binary", "seg_cc_test")
load("//tools/reproduce:defs.bzl", "seg_reproduction_full_test")

# What every paper has: a library of common/app each.
_COMMANDS = ["train", "eval", "predict"]

def seg_commands(
        runs_overrides,
        commands = [],
        command_deps = [],
        needs_masks = True,
        stages = False):
    """The programs of a paper, and the test of what all runs share.

    Makes of the folder's files
      :train, :eval, :predict   train.cc, eval.cc, predict.cc over :paper
      :NAME                     NAME.cc (CommandMain) for each of `commands`
      :programs                 all of them
      :configs                  configs/*.yaml
      :runs_test                common/testing/runs_test.sh on the programs

    Args:
      runs_overrides: of the default configuration, so that runs_test is quick.
      commands: those that this paper has beside train, eval and predict.
      command_deps: what their sources include beside :paper.
      needs_masks: as the paper's kTrainsOnMasks.
      stages: whether a training keeps stages of a pipeline (Paper::Prepare).
    """
    native.filegroup(
        name = "configs",
        srcs = native.glob(["configs/*.yaml"]),
    )
    for command in _COMMANDS + commands:
        seg_cc_binary(
            name = command,
            data = [":configs"],
            deps = [
                ":paper",
                "//common/app:" + ("command" if command in commands else command),
                "//third_party/libtorch:nn",
            ] + (command_deps if command in commands else []),
        )
    native.filegroup(
        name = "programs",
        srcs = _COMMANDS + commands,
        data = [":configs"],
    )
    native.sh_test(
        name = "runs_test",
        size = "medium",
        srcs = ["//common/testing:runs_test.sh"],
        args = _paths(_COMMANDS + commands) + ["--"] +
               ([] if needs_masks else ["--without_masks"]) +
               (["--with_stages"] if stages else []) + runs_overrides,
        data = _COMMANDS + commands + ["//common/testing:bad_input.sh"],
    )

def _paths(commands):
    return ["$(rootpath :%s)" % command for command in commands]

def seg_paper(
        name,
        runs_overrides,
        commands = [],
        command_deps = [],
        needs_masks = True,
        stages = False,
        paper_test_deps = []):
    """Commands, record and the tests that every paper has.

    Makes what seg_commands makes, and of the folder's files
      :record                   what the reproduction tests check
      :paper_test               paper_test.cc: common/testing/paper_test.h
      :bad_input_test           bad_input_test.sh, on all commands; after "--"
                                it gets runs_overrides
      :reproduction_full_test   by hand: tools/reproduce/defs.bzl

    Args:
      name: the paper's folder.
      runs_overrides: of the default configuration, so that runs_test is quick.
      commands: those that this paper has beside train, eval and predict.
      command_deps: what their sources include beside :paper.
      needs_masks: as the paper's kTrainsOnMasks.
      stages: whether a training keeps stages of a pipeline (Paper::Prepare).
      paper_test_deps: of paper_test.cc beside :paper and the common tests.
    """
    seg_commands(runs_overrides, commands, command_deps, needs_masks, stages)
    native.filegroup(
        name = "record",
        srcs = [
            "README.md",
            "RESULTS.md",
            "protocol.yaml",
            "reported.yaml",
        ] + native.glob(["results/*.json"]),
    )
    seg_cc_test(
        name = "paper_test",
        size = "medium",
        data = [":configs"] + native.glob(["testdata/run/**"]),
        deps = [
            ":paper",
            "//common/testing:paper_test",
            "//third_party/libtorch:nn",
        ] + paper_test_deps,
    )
    native.sh_test(
        name = "bad_input_test",
        size = "medium",
        srcs = ["bad_input_test.sh"],
        args = _paths(_COMMANDS + commands) + ["--"] + runs_overrides,
        data = _COMMANDS + commands + ["//common/testing:bad_input.sh"],
    )
    seg_reproduction_full_test(
        name = "reproduction_full_test",
        paper = name,
    )

def seg_paper_test(
        name,
        size = "large",
        tags = ["cpu:2"],
        deps = [],
        **kwargs):
    """A test that trains a paper's configurations, or checks its record.

    Args:
      name: the test; its source is NAME.cc.
      size: the test's size.
      tags: the test's tags.
      deps: beside :paper, the record's readers and TrainAndRestore.
      **kwargs: passed to seg_cc_test.
    """
    seg_cc_test(
        name = name,
        size = size,
        data = [":configs", ":record"],
        tags = tags,
        deps = [
            ":paper",
            "//common/base:runfiles",
            "//common/reproduction:claims",
            "//common/reproduction:ledger",
            "//common/reproduction:table",
            "//common/testing:status_matchers",
            "//common/testing:train_and_evaluate",
            "//third_party/libtorch:nn",
        ] + deps,
        **kwargs
    )
