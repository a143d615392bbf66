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

// The tags in the order in which they stand. "tags": null, as Docker's registry says of
// an empty repository, is none. What isn't a tag by is_tag() is passed over; kCorrupt
// when the body isn't such a list.
Result<std::vector<std::string>> parse_tag_list(std::string_view json);

std::string tag_list_body(std::string_view repository, const std::vector<std::string>& tags);

}  // namespace layby::oci

#endif  // LAYBY_OCI_TAG_LIST_H_
