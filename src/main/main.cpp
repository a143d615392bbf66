// SPDX-License-Identifier: Apache-2.0
//
// The program `layby`. The first argument chooses a command of src/cli. `layby serve` runs the
// daemon of src/app/daemon.cpp.

#include "layby/cli/cli.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#ifdef LAYBY_STATIC
#include <nss.h>
#endif

namespace {

// If stdin, stdout or stderr is closed, opens /dev/null in its place. Otherwise a file of the
// program could get the number of stderr, and the log would be written into that file.
void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // open() returns the lowest number that is free, which is `fd`.
    if (::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
#ifdef LAYBY_STATIC
  // A static program looks up host names in /etc/hosts and DNS only, whatever nsswitch.conf says.
  // The code for /etc/hosts and DNS is part of glibc. Other sources are shared libraries for the
  // system's glibc, which may have another version.
  __nss_configure_lookup("hosts", "files dns");
#endif
  return layby::cli::run(argc, argv);
}
