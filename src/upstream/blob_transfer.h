// SPDX-License-Identifier: Apache-2.0
//
// A blob on its way to a sink, from an offset on: waits for a slot, asks, checks that
// upstream sends the bytes that were asked for, and that all come which it announced.
// Signed URLs live as long as the request that followed them. Loop thread only.

#ifndef LAYBY_UPSTREAM_BLOB_TRANSFER_H_
#define LAYBY_UPSTREAM_BLOB_TRANSFER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "layby/cache/upstream.h"
#include "upstream/request.h"

namespace layby::upstream {

class RegistryBlob final : public cache::BlobTransfer, private ExchangeEvents {
 public:
  RegistryBlob(Site& site, const std::string& repository, const oci::Digest& digest,
               std::uint64_t offset, cache::BlobSink& sink);

  void pause() override;
  void resume() override;

 private:
  void on_slot();
  RequestSpec request_spec() const;
  // What `head` announces; an error's text when it isn't what was asked for.
  struct Plan {
    cache::BlobStart start;
    std::string wrong;
  };
  Plan plan_of(const Head& head) const;

  void on_head(const Head& head) override;
  void on_body(std::string_view bytes) override;
  void on_end(Status status) override;

  Site& site_;
  const std::string repository_;
  const oci::Digest digest_;
  const std::uint64_t offset_;
  cache::BlobSink& sink_;
  std::optional<std::uint64_t> size_bytes_;  // Of the whole blob.
  std::uint64_t position_ = 0;               // Of the next byte.
  bool paused_ = false;
  std::unique_ptr<Request> request_;
  std::unique_ptr<BlobSlots::Slot> slot_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BLOB_TRANSFER_H_
