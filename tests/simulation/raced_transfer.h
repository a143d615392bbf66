// SPDX-License-Identifier: Apache-2.0
//
// A transfer that may send a second request for its bytes, as upstream::RegistryBlob does: the
// request that is answered first brings the blob.

#ifndef LAYBY_TESTS_SIMULATION_RACED_TRANSFER_H_
#define LAYBY_TESTS_SIMULATION_RACED_TRANSFER_H_

#include <functional>
#include <memory>
#include <vector>

#include "layby/cache/upstream.h"

namespace layby::simulation {

// A single request for a blob, without hedges.
class BlobRequest : public Operation {
 public:
  virtual void pause() = 0;
  virtual void resume() = 0;
};

class RacedTransfer final : public cache::BlobTransfer {
 public:
  using Send = std::function<std::unique_ptr<BlobRequest>(cache::BlobSink&)>;
  // `send` sends a request, which calls its sink at a later turn.
  RacedTransfer(Send send, cache::BlobSink& sink);
  ~RacedTransfer() override;

  void pause() override;
  void resume() override;
  bool hedge() override;

 private:
  class Runner;
  void add(bool is_hedge);

  const Send send_;
  cache::BlobSink& sink_;
  bool began_ = false;
  bool paused_ = false;
  std::vector<std::unique_ptr<Runner>> runners_;  // The requests under way, oldest first.
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_RACED_TRANSFER_H_
