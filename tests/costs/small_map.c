// SPDX-License-Identifier: Apache-2.0
//
// A preloaded library that limits the index's memory map to 1 GiB, because valgrind has no room
// for the 64 GiB that the index asks for.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

int mdb_env_set_mapsize(void* env, size_t size);

int mdb_env_set_mapsize(void* env, size_t size) {
  static const size_t kMost = (size_t)1 << 30;
  int (*set)(void*, size_t);
  *(void**)&set = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
  return set(env, size < kMost ? size : kMost);
}
