// SPDX-License-Identifier: Apache-2.0
//
// Starts the removals of a store and owns them until they end. Loop thread.

#ifndef LAYBY_STORE_REMOVALS_H_
#define LAYBY_STORE_REMOVALS_H_

#include <list>
#include <memory>

#include "layby/base/lifetime.h"
#include "store/removal.h"

namespace layby::store {

// Destroying the Removals drops the callbacks of all removals.
class Removals {
 public:
  explicit Removals(Removal::Context context);

  // `done` is called after start() has returned.
  void start(Removal::Goal goal, cache::Given<cache::EvictedSum> done);
  // Deletes the files that an earlier process left when it evicted blobs.
  void empty_trash();

  Removals(const Removals&) = delete;
  Removals& operator=(const Removals&) = delete;

 private:
  const Removal::Context context_;
  Graveyard graveyard_;  // A removal ends inside its own callback.
  std::list<std::shared_ptr<Removal>> under_way_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_REMOVALS_H_
