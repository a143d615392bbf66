// SPDX-License-Identifier: Apache-2.0
//
// Ownership of libcurl's handles.

#ifndef LAYBY_SRC_CLI_CURL_PTR_H_
#define LAYBY_SRC_CLI_CURL_PTR_H_

#include <curl/curl.h>

#include <memory>

namespace layby::cli {

struct CurlFree {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlPtr = std::unique_ptr<CURL, CurlFree>;

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_CURL_PTR_H_
