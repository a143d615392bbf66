// SPDX-License-Identifier: Apache-2.0
//
// A machine of the site and its `docker pull`: asks what the tag is (HEAD), gets the
// manifests that it doesn't have, of an index that of its platform, and then the blobs
// that it doesn't have, three at a time.

#ifndef LAYBY_TESTS_SITE_DAY_PULL_H_
#define LAYBY_TESTS_SITE_DAY_PULL_H_

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

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
    std::function<void(const oci::Digest&)> on_named;  // The tag was said to be this.
    std::function<void(Status)> on_over;               // Last call; may destroy the pull.
  };

  // What is passed by reference outlives it.
  Pull(Source& source, Machine& machine, ImageName name, Events events);

 private:
  void on_head(const Result<oci::Digest>& digest);
  void get_manifest(const oci::Digest& digest);
  void take_manifest(const oci::Digest& digest, const cache::ManifestBody& body);
  void want(const oci::Descriptor& blob);
  void fetch_more();
  void on_blob(const oci::Digest& digest, const Status& status);
  void end(Status status);

  Source& source_;
  Machine& machine_;
  const ImageName name_;
  Events events_;
  cache::Handle request_;
  std::deque<oci::Digest> wanted_;
  std::map<oci::Digest, cache::Handle> coming_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_PULL_H_
