"""A repository rule for a plugin of the installed GCC."""

def _gcc_plugin_impl(ctx):
    source = ctx.path(ctx.attr.source)
    gcc = ctx.os.environ.get("CC", "") or "gcc"
    folder = ctx.execute([gcc, "-print-file-name=plugin"])
    built = False
    if folder.return_code == 0:
        headers = folder.stdout.strip() + "/include"

        # Other compilers, and a GCC without its plugin headers, have no plugin.
        if ctx.path(headers + "/gcc-plugin.h").exists:
            built = ctx.execute([
                gcc,
                "-x",
                "c++",
                "-shared",
                "-fPIC",
                "-fno-rtti",
                "-O1",
                "-w",
                "-I" + headers,
                str(source),
                "-o",
                "plugin.so",
            ]).return_code == 0
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", """
filegroup(
    name = "plugin",
    srcs = {files},
    visibility = ["//visibility:public"],
)
""".format(files = ["plugin.so"] if built else []))

gcc_plugin = repository_rule(
    implementation = _gcc_plugin_impl,
    attrs = {"source": attr.label(mandatory = True)},
    environ = ["CC"],
    # The compiler, or its headers, may be installed between two builds.
    local = True,
    doc = "//:plugin, the file, or nothing where GCC has no plugin headers " +
          "(Debian: gcc-12-plugin-dev). What is built with it and without is " +
          "the same program.",
)
