// SPDX-License-Identifier: Apache-2.0
//
// The program `layby`. The first argument chooses a command of src/cli. `layby serve` runs the
// daemon of src/app/daemon.cpp.

#include "layby/cli/cli.h"

#ifdef LAYBY_STATIC
#include <nss.h>
#endif

int main(int argc, char** argv) {
#ifdef LAYBY_STATIC
  // A static program looks up host names in /etc/hosts and DNS only, whatever nsswitch.conf says.
  // The code for /etc/hosts and DNS is part of glibc. Other sources are shared libraries for the
  // system's glibc, which may have another version.
  __nss_configure_lookup("hosts", "files dns");
#endif
  return layby::cli::run(argc, argv);
}
