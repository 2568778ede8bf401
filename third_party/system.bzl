"""A dependency that a Debian package installs into the system's folders."""

def system_library(
        name,
        archives = [],
        shared = [],
        deps = [],
        system = [],
        defines = []):
    """Links static archives where the package has them, so binaries travel.

    Args:
      name: target.
      archives: names of lib*.a without "lib" and ".a"; grouped, so that their
        order does not matter.
      shared: libraries that exist only as lib*.so.
      deps: other system_library targets they need.
      system: further linker options.
      defines: preprocessor symbols of what includes its headers.
    """
    group = ["-l:lib%s.a" % a for a in archives]
    if len(group) > 1:
        group = ["-Wl,--start-group"] + group + ["-Wl,--end-group"]
    native.cc_library(
        name = name,
        linkopts = group + ["-l" + s for s in shared] + system,
        defines = defines,
        visibility = ["//visibility:public"],
        deps = deps,
    )
