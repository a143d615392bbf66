// SPDX-License-Identifier: Apache-2.0
//
// What a store said about its content during the recording, and what the store must therefore say
// after a power cut: the last acknowledged value, or a later value that was under way.

#ifndef LAYBY_TESTS_STORE_CRASH_CLAIMS_H_
#define LAYBY_TESTS_STORE_CRASH_CLAIMS_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace layby::testing {

// The value of content that the store doesn't have.
inline const std::string kGone = "gone";

// The values of all names, as a store gives them. For example, the value of "tag t" is a digest.
using Values = std::map<std::string, std::string>;

// `begun` and `acknowledged` count the disk operations before the change began, and before the
// change was acknowledged.
struct Claim {
  std::string value;
  std::size_t begun = 0;
  std::size_t acknowledged = 0;
};

class Claims {
 public:
  explicit Claims(const Values& before = {}) {
    for (const auto& [name, value] : before) claims_[name] = {{value, 0, 0}};
  }
  void add(const std::string& name, Claim claim) {
    std::vector<Claim>& all = claims_.try_emplace(name, 1, Claim{kGone}).first->second;
    all.push_back(std::move(claim));
  }
  const std::string& last(const std::string& name) const { return claims_.at(name).back().value; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : claims_) names.push_back(entry.first);
    return names;
  }

  // Describes the first value that breaks a promise; empty if no value does. The power was cut
  // after `end` operations. A claim must hold if it was acknowledged within the first `durable`
  // operations. A value that `may_be` allows is right too.
  using MayBe = std::function<bool(const std::string& name, const std::string& value)>;
  std::string broken(const Values& found, std::size_t durable, std::size_t end,
                     const MayBe& may_be = nullptr) const {
    for (const auto& [name, all] : claims_) {
      const auto value = found.find(name);
      const std::string is = value == found.end() ? kGone : value->second;
      const auto first = std::find_if(all.rbegin(), all.rend(), [durable](const Claim& claim) {
        return claim.acknowledged <= durable;
      });
      const bool allowed = std::any_of(first.base() - 1, all.end(), [&](const Claim& claim) {
        return claim.value == is && (claim.begun < end || &claim == &*first);
      });
      if (!allowed && !(may_be && may_be(name, is)))
        return name + " is " + is + ", and must be " + first->value + " or later";
    }
    return "";
  }

 private:
  std::map<std::string, std::vector<Claim>> claims_;  // Each begins with the value at the start.
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_CRASH_CLAIMS_H_
