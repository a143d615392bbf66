// SPDX-License-Identifier: Apache-2.0
//
// The CLI's commands to a running daemon, over the Unix socket only: list, pin, unpin and evict
// images, verify the stored blobs, run and plan the prefetch list. Answers are JSON; an error is
// {"error": "a sentence"}.

#ifndef LAYBY_SRC_APP_CONTROL_H_
#define LAYBY_SRC_APP_CONTROL_H_

#include <optional>
#include <string>

#include "app/prefetching.h"
#include "layby/base/clock.h"
#include "layby/cache/cache.h"
#include "layby/cache/operator_store.h"
#include "layby/server/http_server.h"

namespace layby::app {

class Control final : public server::Handler {
 public:
  // What is passed by reference outlives this.
  Control(const cache::Cache& cache, cache::Store& store, cache::OperatorStore& operator_store,
          Prefetching& prefetching, const Clock& clock)
      : cache_(cache),
        store_(store),
        operator_store_(operator_store),
        prefetching_(prefetching),
        clock_(clock) {}

  // Whether `request` is a command: it came over the Unix socket and has a command's path.
  static bool takes(const server::Request& request);

  Handle handle(const server::Request& request, Respond respond) override;

 private:
  // The image that the query names; nullopt after `respond` was called with an error.
  std::optional<cache::TagKey> image_of(const server::Request& request,
                                        const Respond& respond) const;

  Handle list(Respond respond);
  Handle evict_bytes(const std::string& text, Respond respond);
  Handle evict_image(const cache::TagKey& key, Respond respond);
  Handle pin(const cache::TagKey& key, Respond respond);
  Handle unpin(const cache::TagKey& key, Respond respond);

  void prefetch(const server::Request& request, const Respond& respond);
  Handle plan(const server::Request& request, Respond respond);

  const cache::Cache& cache_;
  cache::Store& store_;
  cache::OperatorStore& operator_store_;
  Prefetching& prefetching_;
  const Clock& clock_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONTROL_H_
