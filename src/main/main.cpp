// SPDX-License-Identifier: Apache-2.0
//
// The program. The first argument chooses a command of src/cli; `layby serve` is the daemon,
// which src/app/daemon.cpp wires.

#include "layby/cli/cli.h"

#ifdef LAYBY_STATIC
#include <nss.h>
#endif

int main(int argc, char** argv) {
#ifdef LAYBY_STATIC
  // Host names come from /etc/hosts and DNS only, whatever nsswitch.conf says. Both are built
  // into glibc; other sources are shared libraries of the system's glibc, which may have
  // another version.
  __nss_configure_lookup("hosts", "files dns");
#endif
  return layby::cli::run(argc, argv);
}
