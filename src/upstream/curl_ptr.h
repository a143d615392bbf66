// SPDX-License-Identifier: Apache-2.0
//
// Owning pointers of libcurl's objects. Only this module includes <curl/curl.h>.

#ifndef LAYBY_UPSTREAM_CURL_PTR_H_
#define LAYBY_UPSTREAM_CURL_PTR_H_

#include <curl/curl.h>

#include <memory>

namespace layby::upstream {

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeShare {
  void operator()(CURLSH* share) const { curl_share_cleanup(share); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

using EasyPtr = std::unique_ptr<CURL, FreeEasy>;
using MultiPtr = std::unique_ptr<CURLM, FreeMulti>;
using SharePtr = std::unique_ptr<CURLSH, FreeShare>;
using ListPtr = std::unique_ptr<curl_slist, FreeList>;

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_CURL_PTR_H_
