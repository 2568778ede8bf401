// A plugin of GCC: `#pragma seg_instantiate` instantiates the templates that
// the inline functions so far use.
//
// GCC puts that off to the end of a file. For a precompiled header there is no
// such end: the list of what is to be done is saved with it, and every file
// that uses the header works it off again (LibTorch's headers: 12,700
// functions). A header that ends with the pragma is saved with all of it done.
// clang-format off: this one is first
#include "gcc-plugin.h"
// clang-format on
#include "c-family/c-pragma.h"
#include "cp/cp-tree.h"
#include "tree.h"

int plugin_is_GPL_compatible;  // GCC demands it; Apache-2.0 is

static void Instantiate(cpp_reader*) { instantiate_pending_templates(0); }

static void Register(void*, void*) {
  c_register_pragma(nullptr, "seg_instantiate", Instantiate);
}

int plugin_init(plugin_name_args* info, plugin_gcc_version*) {
  register_callback(info->base_name, PLUGIN_PRAGMAS, Register, nullptr);
  return 0;
}
