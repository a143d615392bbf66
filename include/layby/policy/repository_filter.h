// SPDX-License-Identifier: Apache-2.0
//
// Which repositories an upstream serves: patterns of repository names in which '*'
// stands for any characters, '/' included ("library/*", "*", "acme/tool").

#ifndef LAYBY_POLICY_REPOSITORY_FILTER_H_
#define LAYBY_POLICY_REPOSITORY_FILTER_H_

#include <string>
#include <string_view>
#include <vector>

namespace layby::policy {

bool matches_pattern(std::string_view pattern, std::string_view repository);
bool allows(const std::vector<std::string>& patterns, std::string_view repository);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_REPOSITORY_FILTER_H_
