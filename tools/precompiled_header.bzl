"""A precompiled header, made with the very flags of the targets that use it."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _precompiled_header_impl(ctx):
    header = ctx.actions.declare_file(ctx.label.name + ".h")
    text = "".join(["#include <%s>\n" % i for i in ctx.attr.includes])
    ctx.actions.write(header, text)
    toolchain = find_cpp_toolchain(ctx)
    libraries = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    )
    context = libraries.compilation_context
    headers = [header]

    # Other compilers have other formats; without it the header is just read.
    if toolchain.compiler in ["compiler", "gcc"]:
        features = cc_common.configure_features(
            ctx = ctx,
            cc_toolchain = toolchain,
            requested_features = ctx.features,
            unsupported_features = ctx.disabled_features,
        )
        compiled = ctx.actions.declare_file(ctx.label.name + ".h.gch")

        # The same, and with the plugin what saves every user of the header half
        # of its time (third_party/gcc/instantiate.cc).
        plugins = ctx.files._instantiate
        source = ctx.actions.declare_file(ctx.label.name + "_precompiled.h")
        ctx.actions.write(
            source,
            text + ("#pragma seg_instantiate\n" if plugins else ""),
        )
        variables = cc_common.create_compile_variables(
            feature_configuration = features,
            cc_toolchain = toolchain,
            source_file = source.path,
            output_file = compiled.path,
            user_compile_flags = ctx.fragments.cpp.copts +
                                 ctx.fragments.cpp.cxxopts +
                                 ctx.attr.copts +
                                 ["-fplugin=" + p.path for p in plugins] +
                                 ["-x", "c++-header"],
            quote_include_directories = context.quote_includes,
            system_include_directories = context.system_includes,
            # Every object is position independent: --force_pic in .bazelrc.
            use_pic = True,
        )
        ctx.actions.run(
            executable = cc_common.get_tool_for_action(
                feature_configuration = features,
                action_name = ACTION_NAMES.cpp_compile,
            ),
            arguments = cc_common.get_memory_inefficient_command_line(
                feature_configuration = features,
                action_name = ACTION_NAMES.cpp_compile,
                variables = variables,
            ),
            env = cc_common.get_environment_variables(
                feature_configuration = features,
                action_name = ACTION_NAMES.cpp_compile,
                variables = variables,
            ),
            inputs = depset([source] + plugins, transitive = [
                context.headers,
                toolchain.all_files,
            ]),
            outputs = [compiled],
            mnemonic = "CppPrecompile",
            progress_message = "Precompiling %s" % header.short_path,
        )
        headers.append(compiled)
    own = CcInfo(
        compilation_context = cc_common.create_compilation_context(
            headers = depset(headers),
        ),
    )
    return [
        DefaultInfo(files = depset(headers)),
        cc_common.merge_cc_infos(cc_infos = [own, libraries] + [
            CcInfo(linking_context = dep[CcInfo].linking_context)
            for dep in ctx.attr.link_deps
        ]),
    ]

precompiled_header = rule(
    implementation = _precompiled_header_impl,
    attrs = {
        "includes": attr.string_list(),
        "copts": attr.string_list(),
        "deps": attr.label_list(providers = [CcInfo]),
        "link_deps": attr.label_list(providers = [CcInfo]),
        "_instantiate": attr.label(default = "@gcc_instantiate//:plugin"),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
    doc = """NAME.h, which includes `includes`, and NAME.h.gch beside it.

    A target that depends on it and is compiled with `-include` of NAME.h starts
    from the parsed headers. GCC takes the .gch only where the flags fit, and
    says so under -Winvalid-pch otherwise. It hands on what `deps` provide,
    and of `link_deps` only what programs link, so that they change no
    compiler's command.
    """,
)
