// SPDX-License-Identifier: Apache-2.0
//
// A manifest is read only after a client asked for a blob that isn't here. So a manifest whose
// blobs are all stored costs nothing but a place in images_.

#include "cache/pull_ahead.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

// Clients choose the manifests, so the bytes of all remembered manifests are bounded.
constexpr std::size_t kMostImages = 32;
constexpr std::size_t kMostManifestBytes = 64 << 10;
constexpr std::size_t kMostUnused = 1024;
constexpr std::chrono::minutes kUpkeep{1};

}  // namespace

PullAhead::PullAhead(const Rules& rules, Fills& fills, Store& store, Timers& timers,
                     const Clock& clock, Counters& counters)
    : rules_(rules),
      fills_(fills),
      store_(store),
      timers_(timers),
      clock_(clock),
      counters_(counters) {
  fills_.watch(this);
}

PullAhead::~PullAhead() {
  fills_.watch(nullptr);
  flights_.clear();
}

void PullAhead::set_link_rate(std::uint64_t max_rate) {
  link_rate_ = max_rate;
  soon();
}

bool PullAhead::is_off() const {
  return !rules_.pull_ahead || (link_rate_ > 0 && link_rate_ < kThinLink) ||
         (no_room_until_ != SteadyTime() && clock_.steady_now() < no_room_until_);
}

void PullAhead::on_manifest(const events::Subject& image, const ManifestAnswer& answer) {
  if (is_off() || !answer.bytes || answer.bytes->size() > kMostManifestBytes) return;
  if (oci::is_index(answer.media_type)) return;
  const auto at = std::find_if(images_.begin(), images_.end(), [&](const Image& known) {
    return known.digest == answer.digest && known.repository == image.repository &&
           known.upstream == image.upstream;
  });
  Image served = at == images_.end()
                     ? Image{std::string(image.upstream), std::string(image.repository),
                             answer.digest, answer.media_type, answer.bytes}
                     : std::move(*at);
  if (at != images_.end()) images_.erase(at);
  served.used_at = clock_.steady_now();
  images_.push_back(std::move(served));
  if (images_.size() > kMostImages) {
    stop(images_.front());
    images_.pop_front();
  }
  arm();
}

void PullAhead::read(Image& image) {
  const auto bytes = std::exchange(image.bytes, nullptr);
  if (!bytes) return;
  const auto manifest = oci::parse_manifest(*bytes, image.media_type);
  if (!manifest.ok()) return;
  for (const oci::Descriptor& layer : manifest->layers) {
    // A foreign layer comes from elsewhere, so it is never fetched ahead.
    if (!layer.is_foreign) image.layers.push_back(layer.digest);
  }
}

std::pair<PullAhead::Image*, std::size_t> PullAhead::find(const Origin& origin,
                                                          const std::string& repository,
                                                          const oci::Digest& digest) {
  for (auto image = images_.rbegin(); image != images_.rend(); ++image) {
    if (image->repository != repository || image->upstream != origin.name) continue;
    read(*image);
    const auto layer = std::find_if(image->layers.begin(), image->layers.end(),
                                    [&](const oci::Digest& one) { return one == digest; });
    if (layer == image->layers.end()) continue;
    return {&*image, static_cast<std::size_t>(layer - image->layers.begin())};
  }
  return {nullptr, 0};
}

void PullAhead::note_use(const oci::Digest& digest) {
  if (!unused_.empty()) unused_.erase(digest);
  if (const auto flight = flights_.find(digest); flight != flights_.end()) {
    flight->second.is_wanted = true;
  }
}

void PullAhead::on_asked(const Origin& origin, const std::string& repository,
                         const oci::Digest& digest, bool stored) {
  note_use(digest);
  if (images_.empty() || is_off()) return;
  // A hit matters only if something may be fetched ahead.
  const bool any_ahead = std::any_of(images_.begin(), images_.end(),
                                     [](const Image& image) { return image.next.has_value(); });
  if (stored && !any_ahead) return;
  const auto [image, place] = find(origin, repository, digest);
  if (image == nullptr || (stored && !image->next)) return;
  image->used_at = clock_.steady_now();
  image->origin = &origin;
  image->next = std::max(image->next.value_or(0), place + 1);
  soon();
}

void PullAhead::on_background() {
  if (!images_.empty()) soon();
}

void PullAhead::soon() {
  if (soon_) return;
  soon_ = timers_.after(std::chrono::milliseconds(0), [this] {
    soon_.reset();
    step();
  });
}

void PullAhead::step() {
  for (Image& image : images_) {
    if (image.next && (is_off() || is_over(image))) stop(image);
    if (image.next && fills_.background_may_go()) start_layers(image);
  }
}

// A fill that a client left before its end says that the client has given up its pull.
bool PullAhead::is_over(const Image& image) const {
  assert(image.next);
  if (clock_.steady_now() - image.used_at > kPatience || fills_.full()) return true;
  return *image.next == image.layers.size()
             ? std::none_of(flights_.begin(), flights_.end(),
                            [&](const auto& flight) { return flight.second.image == image.digest; })
             : std::any_of(image.layers.begin(), image.layers.end(),
                           [&](const oci::Digest& layer) { return fills_.was_left(layer); });
}

void PullAhead::stop(Image& image) {
  image.next.reset();
  for (auto at = flights_.begin(); at != flights_.end();) {
    const auto flight = at++;
    if (flight->second.image != image.digest) continue;
    keep_account(flight->first, flight->second);
    flights_.erase(flight);
  }
}

void PullAhead::start_layers(Image& image) {
  assert(image.origin != nullptr && image.next);
  for (std::size_t& next = *image.next; next < image.layers.size(); ++next) {
    const oci::Digest& digest = image.layers[next];
    if (fills_.is_coming(digest) || store_.find_blob(digest)) continue;
    if (flights_.size() >= kMostAtATime) return;
    if (image.origin->upstream->patience(Ask::kBlob).wait.count() > 0) return;
    start(image, digest);
  }
}

void PullAhead::start(const Image& image, const oci::Digest& digest) {
  Flight flight{image.digest, nullptr, std::make_shared<std::uint64_t>(0)};
  flight.fetch =
      fills_.fetch_ahead(*image.origin, image.repository, digest, flight.bytes,
                         [this, digest](const Status& status) { on_fetched(digest, status); });
  flights_.emplace(digest, std::move(flight));
}

// After a failure nothing more of the image is fetched ahead until a client asks for another layer.
// A cache without room needs minutes to get room, and would refuse the next layers too.
void PullAhead::on_fetched(const oci::Digest& digest, const Status& status) {
  const auto flight = flights_.extract(digest);
  assert(!flight.empty());
  keep_account(digest, flight.mapped());
  if (!status.ok() && status.error().code == ErrorCode::kNoSpace) {
    no_room_until_ = clock_.steady_now() + kWithoutRoom;
  }
  for (Image& image : images_) {
    if (!status.ok() && image.digest == flight.mapped().image) stop(image);
  }
  soon();
}

void PullAhead::keep_account(const oci::Digest& digest, const Flight& flight) {
  if (flight.is_wanted || *flight.bytes == 0) return;
  if (unused_.size() >= kMostUnused) {
    count(counters_.ahead_unused_bytes, *flight.bytes);
    return;
  }
  unused_.insert_or_assign(digest, Unused{*flight.bytes, clock_.steady_now()});
  arm();
}

void PullAhead::arm() {
  if (upkeep_ || (images_.empty() && unused_.empty())) return;
  upkeep_ = timers_.after(kUpkeep, [this] {
    upkeep_.reset();
    forget_old();
    arm();
  });
}

void PullAhead::forget_old() {
  const SteadyTime now = clock_.steady_now();
  for (Image& image : images_) {
    if (image.next && is_over(image)) stop(image);
  }
  std::erase_if(images_, [now](const Image& image) {
    return !image.next && now - image.used_at >= kRemembered;
  });
  std::erase_if(unused_, [&](const auto& entry) {
    const Unused& unused = entry.second;
    if (now - unused.since < kUnusedAfter) return false;
    count(counters_.ahead_unused_bytes, unused.bytes);
    return true;
  });
}

}  // namespace layby::cache
