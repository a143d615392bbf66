// SPDX-License-Identifier: Apache-2.0
//
// A Runner passes on what its request brings. The first runner that starts the blob ends all other
// runners.

#include "simulation/raced_transfer.h"

#include <cassert>
#include <utility>

namespace layby::simulation {
namespace {

constexpr std::size_t kMostRunners = 2;

}  // namespace

class RacedTransfer::Runner final : private cache::BlobSink {
 public:
  Runner(RacedTransfer& race, bool is_hedge)
      : race_(race), is_hedge_(is_hedge), request_(race.send_(*this)) {}

  BlobRequest& request() { return *request_; }

 private:
  void on_blob_start(const cache::BlobStart& start) override {
    assert(!race_.began_);
    race_.began_ = true;
    std::erase_if(race_.runners_, [this](const auto& one) { return one.get() != this; });
    cache::BlobStart first = start;
    first.by_hedge = is_hedge_;
    race_.sink_.on_blob_start(first);  // May destroy the race.
  }
  void on_blob_bytes(std::string_view bytes) override {
    race_.sink_.on_blob_bytes(bytes);  // May destroy the race.
  }
  void on_blob_end(Status status) override {
    const bool others = race_.runners_.size() > 1;
    if (others && !status.ok() && !cache::ends_hedges(status.error())) {
      std::erase_if(race_.runners_, [this](const auto& one) { return one.get() == this; });
      return;
    }
    race_.sink_.on_blob_end(std::move(status));  // May destroy the race.
  }
  bool in_background() const override { return race_.sink_.in_background(); }
  bool lends_slot() const override { return race_.sink_.lends_slot(); }
  std::vector<IpAddress> clients() const override { return race_.sink_.clients(); }

  RacedTransfer& race_;
  const bool is_hedge_;
  const std::unique_ptr<BlobRequest> request_;
};

RacedTransfer::RacedTransfer(Send send, cache::BlobSink& sink)
    : send_(std::move(send)), sink_(sink) {
  add(false);
}

RacedTransfer::~RacedTransfer() = default;

void RacedTransfer::pause() {
  paused_ = true;
  for (const auto& runner : runners_) runner->request().pause();
}

void RacedTransfer::resume() {
  paused_ = false;
  for (const auto& runner : runners_) runner->request().resume();
}

bool RacedTransfer::hedge() {
  if (began_ || paused_) return false;
  if (runners_.size() == kMostRunners) runners_.erase(runners_.begin());
  add(true);
  return true;
}

void RacedTransfer::add(bool is_hedge) {
  runners_.push_back(std::make_unique<Runner>(*this, is_hedge));
}

}  // namespace layby::simulation
