// SPDX-License-Identifier: Apache-2.0
//
// The comparison works on copies, because a Slot needs a Config that isn't const.

#include "app/config_change.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "app/config_keys.h"

namespace layby::app {
namespace {

// The path of the list that contains the key, or the key's own path if no list contains the key.
std::string_view top_of(const Key& key) { return key.path.substr(0, key.path.find("[].")); }

class Comparison {
 public:
  Comparison(const Config& before, const Config& after) : before_(before), after_(after) {}

  bool differs(const Key& key) {
    const std::string_view list = top_of(key);
    if (list == key.path) return differs_at(key, 0);
    const auto of = std::find_if(config_keys().begin(), config_keys().end(),
                                 [list](const Key& known) { return known.path == list; });
    assert(of != config_keys().end());
    if (differs_at(*of, 0)) return true;
    const std::size_t count = std::get<Objects>(of->field).count({before_, none_, 0});
    for (std::size_t i = 0; i < count; ++i) {
      if (differs_at(key, i)) return true;
    }
    return false;
  }

 private:
  bool differs_at(const Key& key, std::size_t item) {
    const Slot before{before_, none_, item};
    const Slot after{after_, none_, item};
    return std::visit(
        [&](const auto& field) {
          if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Objects>) {
            return field.count(before) != field.count(after);
          } else {
            return !(field(before) == field(after));
          }
        },
        key.field);
  }

  Config before_;
  Config after_;
  PrefetchListConfig none_;
};

}  // namespace

std::vector<std::string> changed_keys(const Config& before, const Config& after) {
  Comparison comparison(before, after);
  std::vector<std::string> changed;
  for (const Key& key : config_keys()) {
    const std::string top(top_of(key));
    if (std::find(changed.begin(), changed.end(), top) != changed.end()) continue;
    if (comparison.differs(key)) changed.push_back(top);
  }
  return changed;
}

std::vector<ConfigFault> keep_until_restart(const Config& before, Config& after) {
  Comparison comparison(before, after);
  std::vector<ConfigFault> faults;
  for (const Key& key : config_keys()) {
    if (!key.needs_restart || !comparison.differs(key)) continue;
    keep_value(key.path, before, after);
    faults.push_back(
        {std::string(key.path), "needs a restart; until then the earlier value stays in force"});
  }
  return faults;
}

void keep_value(std::string_view path, const Config& from, Config& to) {
  Config source = from;
  PrefetchListConfig none;
  for (const Key& key : config_keys()) {
    if (key.path != path) continue;
    std::visit(
        [&](const auto& field) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(field)>, Objects>) {
            field({to, none, 0}) = field({source, none, 0});
          }
        },
        key.field);
  }
}

}  // namespace layby::app
