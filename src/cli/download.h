// SPDX-License-Identifier: Apache-2.0
//
// Downloads one file from the web. Blocks.

#ifndef LAYBY_SRC_CLI_DOWNLOAD_H_
#define LAYBY_SRC_CLI_DOWNLOAD_H_

#include <string>

#include "layby/base/result.h"

namespace layby::cli {

// Writes the content of `url` (http or https) to the file `path`, and follows redirects. Fails when
// no byte arrives for a minute, or when the content is larger than any firmware file.
Status download(const std::string& url, const std::string& path);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DOWNLOAD_H_
