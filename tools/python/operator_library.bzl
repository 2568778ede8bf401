"""A shared library of operators for torch.ops.load_library."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

# Ours instead: a user's machine has no Highway, and LibTorch's OpenMP runtime
# is the one to use. Nor does a user have this machine's folders.
_LEFT_OUT = ["-lhwy", "-fopenmp", "-Wl,-rpath"]

def _is_kept(flag):
    for prefix in _LEFT_OUT:
        if flag.startswith(prefix):
            return False
    return True

def _operator_library_impl(ctx):
    archives, kept_archives, shared, flags = [], [], [], []
    for dep in ctx.attr.deps:
        for linked in dep[CcInfo].linking_context.linker_inputs.to_list():
            flags += [f for f in linked.user_link_flags if _is_kept(f) and f not in flags]
            for library in linked.libraries:
                archive = library.pic_static_library or library.static_library
                if not archive:
                    if library.dynamic_library not in shared:
                        shared.append(library.dynamic_library)
                elif library.alwayslink:
                    if archive not in kept_archives:
                        kept_archives.append(archive)
                elif archive not in archives:
                    archives.append(archive)

    arguments = ctx.actions.args()
    arguments.add_all(["-shared", "-s", "-Wl,-z,defs", "-Wl,-z,relro,-z,now"])
    arguments.add(ctx.file.exports, format = "-Wl,--version-script=%s")
    arguments.add("-o", ctx.outputs.out)
    arguments.add("-Wl,--whole-archive")
    arguments.add_all(kept_archives)
    arguments.add_all(["-Wl,--no-whole-archive", "-Wl,--start-group"])
    arguments.add_all(archives)

    # What LibTorch's own libraries need is not ours to name.
    arguments.add_all(["-Wl,--end-group", "-Wl,--as-needed"])
    arguments.add_all(shared)
    arguments.add_all(flags)
    arguments.add_all(["-lstdc++", "-lm"])
    ctx.actions.run(
        executable = find_cpp_toolchain(ctx).compiler_executable,
        arguments = [arguments],
        inputs = archives + kept_archives + shared + [ctx.file.exports],
        outputs = [ctx.outputs.out],
        mnemonic = "OperatorLibrary",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

_operator_library = rule(
    implementation = _operator_library_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "exports": attr.label(allow_single_file = True),
        "out": attr.output(),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
)

def operator_library(name, deps, exports):
    """NAME, a shared library that needs LibTorch's libraries by their names alone.

    cc_binary(linkshared = True) would need every library that LibTorch's
    targets name (Bazel puts them before any linker option), hold folders of
    this build, and export what is inline in headers.

    Args:
      name: libNAME.so.
      deps: what registers operators (alwayslink), and all that they need.
      exports: the linker's version script.
    """
    _operator_library(
        name = name + "_link",
        out = name,
        deps = deps,
        exports = exports,
    )
