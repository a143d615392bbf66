// SPDX-License-Identifier: Apache-2.0
//
// A RegistryBlob transfers a blob to a sink, from an offset on: it waits for a slot, sends the
// request, pauses while it has no slot, and checks that upstream sends the requested bytes, and as
// many bytes as upstream announced. The signed URL of a redirect serves one request only. Loop
// thread only.
//
// Invariants: the request starts once, when a slot is first granted; the transfer has its Slot
// object until its end; no byte reaches the sink between pause() and resume(), or while the
// transfer has no slot.

#ifndef LAYBY_UPSTREAM_BLOB_TRANSFER_H_
#define LAYBY_UPSTREAM_BLOB_TRANSFER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "layby/cache/upstream.h"
#include "upstream/authorized_request.h"

namespace layby::upstream {

class RegistryBlob final : public cache::BlobTransfer,
                           private ExchangeEvents,
                           private BlobSlots::Holder {
 public:
  RegistryBlob(Site& site, const std::string& repository, const oci::Digest& digest,
               std::uint64_t offset, cache::BlobSink& sink);

  void pause() override;
  void resume() override;

 private:
  void on_slot() override;
  void on_slot_taken() override { follow_slot(); }
  policy::SlotClients slot_clients() const override { return sink_.clients(); }
  // Lets bytes come while the transfer has a slot and isn't paused, and at no other time.
  void follow_slot();
  RequestSpec request_spec() const;
  // Says where the announced bytes begin. `wrong` says why the announced bytes aren't the requested
  // bytes; "" if they are.
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
  std::optional<std::uint64_t> size_bytes_;  // The size of the whole blob, if stated.
  std::uint64_t position_ = 0;               // The offset of the next byte in the blob.
  bool paused_ = false;
  std::unique_ptr<AuthorizedRequest> request_;
  std::unique_ptr<BlobSlots::Slot> slot_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BLOB_TRANSFER_H_
