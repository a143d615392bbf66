// SPDX-License-Identifier: Apache-2.0
//
// Several removals may run at the same time. Their commits run one after the other, so two removals
// never evict the same blob.

#include "store/removals.h"

#include <cassert>
#include <utility>

#include "store/trash.h"

namespace layby::store {

Removals::Removals(Removal::Context context)
    : context_(std::move(context)), graveyard_(context_.core->loop) {}

void Removals::start(Removal::Goal goal, cache::Given<cache::EvictedSum> done) {
  assert(done);
  const auto at = under_way_.emplace(under_way_.end());
  *at = std::make_shared<Removal>(
      context_, std::move(goal),
      [this, at, done = std::move(done)](const Result<cache::EvictedSum>& sum) {
        assert(*at);
        graveyard_.bury(std::move(*at));
        under_way_.erase(at);
        done(sum);
      });
}

void Removals::empty_trash() {
  std::vector<oci::Digest> trash = read_trash(*context_.core);
  if (trash.empty()) return;
  start(Removal::Leftovers{std::move(trash)}, [](const Result<cache::EvictedSum>&) {});
}

}  // namespace layby::store
