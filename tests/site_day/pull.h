// SPDX-License-Identifier: Apache-2.0
//
// A machine of the site and its `docker pull`. The pull asks for the tag's digest (HEAD), and
// gets the index and the manifest of the site's platform, unless the machine has them. Then the
// pull gets the blobs that the machine doesn't have, three at a time.

#ifndef LAYBY_TESTS_SITE_DAY_PULL_H_
#define LAYBY_TESTS_SITE_DAY_PULL_H_

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "layby/oci/manifest.h"
#include "site_day/images.h"
#include "site_day/source.h"

namespace layby::site_day {

struct Machine {
  std::map<oci::Digest, cache::ManifestBody> manifests;
  std::set<oci::Digest> blobs;
};

class Pull {
 public:
  struct Events {
    std::function<void(const oci::Digest&)> on_named;  // The answer named the tag's digest.
    std::function<void(Status)> on_over;               // The last call; may destroy the pull.
  };

  // How a machine pulls. By default it fetches three blobs at a time, and unpacks in no time.
  struct Manner {
    Timers* timers = nullptr;  // Set if the machine unpacks each blob before it fetches the next.
    // The machine is switched off while it fetches the blob after this number of blobs.
    std::size_t off_after = 1'000'000;
  };

  // All arguments passed by reference outlive the Pull.
  Pull(Source& source, Machine& machine, ImageName name, Events events)
      : Pull(source, machine, std::move(name), std::move(events), Manner()) {}
  Pull(Source& source, Machine& machine, ImageName name, Events events, Manner manner);

 private:
  void on_head(const Result<oci::Digest>& digest);
  void get_manifest(const oci::Digest& digest);
  void take_manifest(const oci::Digest& digest, const cache::ManifestBody& body);
  void want(const oci::Descriptor& blob);
  void fetch_more();
  void on_blob(const oci::Descriptor& blob, const Status& status);
  void end(Status status);

  Source& source_;
  Machine& machine_;
  const ImageName name_;
  Events events_;
  Handle request_;
  const Manner manner_;
  std::size_t fetched_ = 0;
  Handle unpacking_;
  std::deque<oci::Descriptor> wanted_;
  std::map<oci::Digest, Handle> coming_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_PULL_H_
