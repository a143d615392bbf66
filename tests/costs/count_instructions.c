// SPDX-License-Identifier: Apache-2.0
//
// A plugin of QEMU's user mode: counts the instructions of the emulated program. The program's
// threads have a counter each, in a file that the test maps while the program runs. Debian has no
// header of QEMU's plugins, so this file declares the functions that it calls; see "QEMU TCG
// Plugins" in QEMU's manual.
//
//   LD_PRELOAD=count_instructions.so qemu-aarch64 -plugin count_instructions.so,counts=FILE PROGRAM
//
// The file is preloaded too, because QEMU first makes each map of a file as a map without a file.
// Without MAP_NORESERVE, the kernel has no memory for the 64 GiB that the index asks for.
//
// A block of instructions counts when it begins, also when a signal ends it early. FILE has room
// for kThreads counters of 64 bits. Threads beyond that share counters, and may lose counts.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

enum { kThreads = 512, kCallbackUsesNoRegisters = 0 };

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
typedef void on_translated(plugin_id, struct qemu_plugin_tb*);
typedef void on_executed(unsigned int thread, void* data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translated*);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*, on_executed*, int flags,
                                          void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);

EXPORT int qemu_plugin_version = 1;

EXPORT void* mmap64(void* at, size_t size, int protection, int flags, int file, off64_t offset) {
  static void* (*map)(void*, size_t, int, int, int, off64_t);
  if (!map) *(void**)&map = dlsym(RTLD_NEXT, "mmap64");
  return map(at, size, protection, flags | MAP_NORESERVE, file, offset);
}

static volatile uint64_t* counts;

static void count(unsigned int thread, void* instructions) {
  counts[thread % kThreads] += (uintptr_t)instructions;
}

static void count_when_executed(plugin_id id, struct qemu_plugin_tb* block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, count, kCallbackUsesNoRegisters,
                                       (void*)qemu_plugin_tb_n_insns(block));
}

EXPORT int qemu_plugin_install(plugin_id id, const void* about_qemu, int argc, char** argv) {
  (void)about_qemu;
  static const char kName[] = "counts=";
  if (argc != 1 || strncmp(argv[0], kName, strlen(kName)) != 0) return 1;
  const int file = open(argv[0] + strlen(kName), O_RDWR);
  if (file < 0) return 1;
  counts = mmap(NULL, kThreads * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counts == MAP_FAILED) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, count_when_executed);
  return 0;
}
