// SPDX-License-Identifier: Apache-2.0
//
// Fetches the later layers of an image while a client pulls the image. A client fetches a few
// layers at a time, and pauses to unpack them; the link needn't pause. After a client asked for a
// layer that isn't here, the layers behind it in the manifest are fetched in the background. The
// layers before it are left alone, because clients ask in the order of the manifest, and a client
// that skips a layer has it already. A request for the configuration fetches nothing ahead, because
// tools that only inspect an image ask for no layer. Lives on the loop thread.
//
// Invariants: at most kMostAtATime blobs are fetched ahead at a time; a blob is fetched ahead only
// from the repository that the client named, and only after that repository's manifest was fetched;
// nothing is fetched ahead while a client waits for upstream.

#ifndef LAYBY_CACHE_PULL_AHEAD_H_
#define LAYBY_CACHE_PULL_AHEAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/fills.h"
#include "layby/events/event.h"

namespace layby::cache {

class PullAhead final : private Fills::Watcher {
 public:
  // The number of layers that most clients fetch at a time.
  static constexpr std::size_t kMostAtATime = 3;
  // A client that asks for nothing for this long has left, or has all that it wants.
  static constexpr std::chrono::minutes kPatience{2};
  // How long a fetched manifest is remembered.
  static constexpr std::chrono::minutes kRemembered{10};
  // Nothing is fetched ahead for this long after the cache had no room for a layer.
  static constexpr std::chrono::minutes kWithoutRoom{10};
  // When nobody asked within this time for a blob that was fetched ahead, its bytes count as
  // unused.
  static constexpr std::chrono::hours kUnusedAfter{1};
  // In bytes a second. On a slower link, unused bytes would cost more than the waits of clients.
  static constexpr std::uint64_t kThinLink = 2'000'000;

  PullAhead(const Rules& rules, Fills& fills, Store& store, Timers& timers, const Clock& clock,
            Counters& counters);
  ~PullAhead() override;

  // A client got the manifest `answer` of `image`, which was fetched for clients.
  void on_manifest(const events::Subject& image, const ManifestAnswer& answer);
  // The limit of all blobs together, in bytes a second; 0 for no limit.
  void set_link_rate(std::uint64_t max_rate);

 private:
  // A manifest that a client got a moment ago.
  struct Image {
    std::string upstream;  // The origin's name.
    std::string repository;
    oci::Digest digest;
    std::string media_type;
    std::shared_ptr<const std::string> bytes;  // Null after the manifest was read.
    std::vector<oci::Digest> layers{};
    SteadyTime used_at{};
    const Origin* origin = nullptr;
    // The first layer that may be fetched ahead; nullopt while nothing is to be fetched ahead.
    std::optional<std::size_t> next{};
  };
  struct Flight {
    oci::Digest image;
    Handle fetch;
    std::shared_ptr<std::uint64_t> bytes;  // The bytes that came while no client waited.
    bool is_wanted = false;                // A client asked for the blob.
  };
  // A blob that was fetched ahead, and that nobody has asked for.
  struct Unused {
    std::uint64_t bytes = 0;
    SteadyTime since;
  };

  void on_asked(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                bool stored) override;
  void on_background() override;

  void note_use(const oci::Digest& digest);
  static void read(Image& image);
  // The image that was fetched last and has the layer `digest`. Returns the layer's place too.
  std::pair<Image*, std::size_t> find(const Origin& origin, const std::string& repository,
                                      const oci::Digest& digest);
  void soon();
  void step();
  bool is_off() const;
  bool is_over(const Image& image) const;
  void stop(Image& image);
  void start_layers(Image& image);
  void start(const Image& image, const oci::Digest& digest);
  void on_fetched(const oci::Digest& digest, const Status& status);
  void keep_account(const oci::Digest& digest, const Flight& flight);
  void arm();
  void forget_old();

  const Rules& rules_;
  Fills& fills_;
  Store& store_;
  Timers& timers_;
  const Clock& clock_;
  Counters& counters_;
  std::uint64_t link_rate_ = 0;
  SteadyTime no_room_until_{};
  std::deque<Image> images_;  // The image that was fetched last is last.
  std::map<oci::Digest, Flight> flights_;
  std::map<oci::Digest, Unused> unused_;
  Handle soon_;
  Handle upkeep_;  // The timer of forget_old(), while anything is remembered.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_PULL_AHEAD_H_
