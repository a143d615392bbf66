// SPDX-License-Identifier: Apache-2.0

#include "simulation/hostile.h"

#include <utility>

#include "simulation/addresses.h"
#include "simulation/reading.h"

namespace layby::simulation {
namespace {

constexpr std::size_t kMostAtATime = 50;  // The requests that an attack holds open.

}  // namespace

// Opens a blob, and leaves after `leaves_after`. If `leaves_after` is 0, the reader reads
// `bytes_at_a_time` bytes every eight seconds instead.
class Hostile::Reader final : public Operation {
 public:
  Reader(World& world, Box& box, const oci::Digest& digest, milliseconds leaves_after,
         std::size_t bytes_at_a_time)
      : world_(world), bytes_at_a_time_(bytes_at_a_time) {
    crash_ = box.on_crash([this] { leave(); });
    timer_ = leaves_after.count() > 0 ? world_.after(leaves_after, [this] { leave(); })
                                      : world_.after(seconds(8), [this] { take(); });
    box.note_want(digest.str());
    asking_ = box.cache().open_blob(
        box.origin(), kLooseRepository, digest,
        [this](auto opened) {
          if (!opened.ok()) return;
          reader_ = std::move(*opened);
          reader_->consumed(0);
        },
        hostile_address(box.number()));
  }

 private:
  void take() {
    timer_ = world_.after(seconds(8), [this] { take(); });
    if (!reader_) return;
    at_ += read(*reader_, at_, bytes_at_a_time_).size();
    reader_->consumed(at_);
    if (at_ == reader_->size_bytes()) reader_.reset();
  }
  void leave() {
    reader_.reset();
    asking_.reset();
  }

  World& world_;
  const std::size_t bytes_at_a_time_;
  std::uint64_t at_ = 0;
  Handle crash_;
  Handle timer_;
  std::unique_ptr<cache::BlobReader> reader_;
  Handle asking_;
};

Hostile::Hostile(const Internet& internet, Box& box, Attack attack, simulator::Random& random)
    : internet_(internet), box_(box), attack_(attack), random_(random) {
  strike_again();
}

Hostile::~Hostile() = default;

void Hostile::strike_again() {
  timer_ = internet_.world.after(milliseconds(random_.between(50, 5'000)), [this] {
    const Handle over = std::move(timer_);
    if (box_.up()) strike();
    strike_again();
  });
}

void Hostile::strike() {
  while (asking_.size() > kMostAtATime) asking_.pop_front();
  const auto& loose = internet_.content.loose();
  const oci::Digest& digest = loose[random_.between(0, loose.size() - 1)];
  switch (attack_) {
    case Attack::kLeaving:
      return open(digest, milliseconds(random_.between(1, 2'000)), 0);
    case Attack::kSlow:
      return open(digest, milliseconds(0), random_.between(1, 300));
    case Attack::kUnknown:
      return ask_for_unknown();
    case Attack::kTags:
      return ask_for_tags();
  }
}

void Hostile::open(const oci::Digest& digest, milliseconds leaves_after,
                   std::size_t bytes_at_a_time) {
  asking_.push_back(
      std::make_unique<Reader>(internet_.world, box_, digest, leaves_after, bytes_at_a_time));
}

void Hostile::ask_for_unknown() {
  const IpAddress address = hostile_address(box_.number());
  for (int i = 0; i < 20; ++i) {
    const auto digest = oci::Digest::of(std::to_string(random_.between(0, UINT32_MAX)));
    if (i % 2 == 0) {
      open(digest, seconds(20), 0);
      continue;
    }
    asking_.push_back(box_.cache().get_manifest(
        box_.origin(), kLooseRepository, digest, false, [](const auto&) {}, address));
  }
}

void Hostile::ask_for_tags() {
  const IpAddress address = hostile_address(box_.number());
  for (int i = 0; i < 20; ++i) {
    const std::string tag = "v" + std::to_string(random_.between(0, 1'000'000));
    asking_.push_back(box_.cache().get_manifest(
        box_.origin(), kLooseRepository, oci::Reference(tag), true, [](const auto&) {}, address));
    asking_.push_back(box_.cache().get_tags(
        box_.origin(), "site/" + tag, {}, [](const auto&) {}, address));
  }
}

}  // namespace layby::simulation
