"""Stand-in for @rules_cc: Bazel's native C++ rules under the names it exports.

Bazel 4.2 loads this file from several of its built-in repositories. The
packaged rules_cc is too new for it, and none of the real one's Starlark is
needed here.
"""

cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
fdo_profile = native.fdo_profile
objc_import = native.objc_import
objc_library = native.objc_library
compiler_flag = None
cc_flags_supplier = None
