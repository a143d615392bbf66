// SPDX-License-Identifier: Apache-2.0
//
// Patterns of repository names say which repositories an upstream serves. A '*' in a pattern means
// any characters, also '/' ("library/*", "*", "acme/tool").

#ifndef LAYBY_POLICY_REPOSITORY_FILTER_H_
#define LAYBY_POLICY_REPOSITORY_FILTER_H_

#include <string>
#include <string_view>
#include <vector>

namespace layby::policy {

bool matches_pattern(std::string_view pattern, std::string_view repository);
// Whether any of `patterns` matches `repository`.
bool allows(const std::vector<std::string>& patterns, std::string_view repository);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REPOSITORY_FILTER_H_
