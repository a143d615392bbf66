// SPDX-License-Identifier: Apache-2.0
//
// The program. What it does is up to its first argument, see src/cli; `layby serve`
// is the daemon, whose parts src/app/appliance.cpp puts together.

#include "layby/cli/cli.h"

#ifdef LAYBY_STATIC
#include <nss.h>
#endif

int main(int argc, char** argv) {
#ifdef LAYBY_STATIC
  // Names come from /etc/hosts and DNS, which glibc has built in, whatever nsswitch.conf
  // says: others are shared libraries, and of another glibc than the one in here.
  __nss_configure_lookup("hosts", "files dns");
#endif
  return layby::cli::run(argc, argv);
}
