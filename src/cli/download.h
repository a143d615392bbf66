// SPDX-License-Identifier: Apache-2.0
//
// One file from the web, at once.

#ifndef LAYBY_SRC_CLI_DOWNLOAD_H_
#define LAYBY_SRC_CLI_DOWNLOAD_H_

#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// Writes what is at `url` (http or https, redirects followed) to the file `path`. Fails when
// no byte comes for a minute, or when it is larger than a root slot can be.
Status download(const std::string& url, const std::string& path);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DOWNLOAD_H_
