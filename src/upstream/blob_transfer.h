// SPDX-License-Identifier: Apache-2.0
//
// A RegistryBlob transfers a blob, or a part of it, to a sink. It checks that upstream sends the
// requested bytes, and as many bytes as upstream announced. A hedge is a further request for the
// same bytes; the first answer counts. A hedge asks the registry again, because the signed URL of a
// redirect serves only one request. Loop thread only.
//
// Invariants: at most two requests are under way, and only one after the blob has begun; no byte
// reaches the sink between pause() and resume().

#ifndef LAYBY_UPSTREAM_BLOB_TRANSFER_H_
#define LAYBY_UPSTREAM_BLOB_TRANSFER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/cache/upstream.h"
#include "upstream/authorized_request.h"

namespace layby::upstream {

class RegistryBlob final : public cache::BlobTransfer {
 public:
  RegistryBlob(Site& site, const std::string& repository, const oci::Digest& digest,
               const cache::BlobSpan& span, cache::BlobSink& sink);
  ~RegistryBlob() override;

  void pause() override;
  void resume() override;
  bool hedge() override;

 private:
  class Try;

  void send(bool is_hedge);
  bool asks_range() const { return span_.offset > 0 || span_.end.has_value(); }
  RequestSpec request_spec() const;
  // Says where the announced bytes begin. `wrong` says why the announced bytes aren't the requested
  // bytes; "" if they are.
  struct Plan {
    cache::BlobStart start;
    std::optional<std::uint64_t> end;  // The offset after the last announced byte, if stated.
    std::string wrong;
  };
  Plan plan_of(const Head& head) const;

  void on_head(Try& by, const Head& head);
  void on_body(std::string_view bytes);
  void on_end(Try& by, Status status);

  Site& site_;
  const std::string repository_;
  const oci::Digest digest_;
  const cache::BlobSpan span_;
  cache::BlobSink& sink_;
  std::optional<std::uint64_t> end_;  // Where the announced bytes end, if stated.
  std::uint64_t position_ = 0;        // The offset of the next byte in the blob.
  bool paused_ = false;
  bool began_ = false;                       // on_blob_start() was called.
  std::vector<std::unique_ptr<Try>> tries_;  // The requests under way, oldest first.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BLOB_TRANSFER_H_
