// SPDX-License-Identifier: Apache-2.0
//
// The body of a tag list, {"name":"library/debian","tags":["bookworm","trixie"]} (OCI
// distribution-spec 1.1, "Listing Tags").

#ifndef LAYBY_OCI_TAG_LIST_H_
#define LAYBY_OCI_TAG_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "layby/base/result.h"

namespace layby::oci {

// The tags in the order of the body. "tags": null, which Docker's registry sends for an empty
// repository, means no tags. Entries that fail is_tag() are skipped. Returns kCorrupt when `json`
// is not a tag list.
Result<std::vector<std::string>> parse_tag_list(std::string_view json);

std::string tag_list_body(std::string_view repository, const std::vector<std::string>& tags);

}  // namespace layby::oci

#endif  // LAYBY_OCI_TAG_LIST_H_
