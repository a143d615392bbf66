// SPDX-License-Identifier: Apache-2.0
//
// An honest client of a box. The Invariants watch each request of the client, and every byte is
// compared with the registry's byte. A crash of the box breaks off the requests under way. An
// answer takes a millisecond from the box to the client.

#ifndef LAYBY_TESTS_SIMULATION_CLIENT_H_
#define LAYBY_TESTS_SIMULATION_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "simulation/box.h"
#include "site_day/pull.h"

namespace layby::simulation {

class BoxSource final : public site_day::Source {
 public:
  // `addresses` clients share the slowest link on the way, which has `bytes_per_second`.
  // References outlive the source.
  BoxSource(const Internet& internet, Box& box, const IpAddress& client, std::size_t addresses,
            double bytes_per_second)
      : internet_(internet),
        box_(box),
        client_(client),
        addresses_(addresses),
        bytes_per_second_(bytes_per_second) {}

  Handle head(const std::string& repository, const std::string& tag,
              Done<oci::Digest> done) override;
  Handle get_manifest(const std::string& repository, const oci::Digest& digest,
                      Done<cache::ManifestBody> done) override;
  Handle fetch_blob(const std::string& repository, const oci::Digest& digest,
                    std::function<void(Status)> done) override;

 private:
  template <typename T>
  class Request;
  class Blob;

  const Internet& internet_;
  Box& box_;
  const IpAddress client_;
  const std::size_t addresses_;
  const double bytes_per_second_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_CLIENT_H_
