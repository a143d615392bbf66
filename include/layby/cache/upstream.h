// SPDX-License-Identifier: Apache-2.0
//
// The interface through which the cache asks one registry. The implementation handles tokens,
// redirects, proxies and TLS, and renews a refused token once. The caller retries after a failure.
// Lives on the loop thread.

#ifndef LAYBY_CACHE_UPSTREAM_H_
#define LAYBY_CACHE_UPSTREAM_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/ip_address.h"
#include "layby/base/result.h"
#include "layby/oci/digest.h"
#include "layby/oci/reference.h"
#include "layby/policy/quota.h"

namespace layby::cache {

// How old an answer about a tag is. Only the answer of a parent may have an age.
struct AnswerAge {
  std::chrono::seconds age{0};  // The time since a registry confirmed the tag.
  // The parent says that the tag is stale (Warning: 110).
  bool stale = false;
};

// The answer to HEAD of a manifest. No field is verified.
struct ManifestHead {
  std::optional<oci::Digest> digest;  // From Docker-Content-Digest, if sent and well formed.
  std::string media_type;
  std::optional<std::uint64_t> size_bytes;
  AnswerAge age{};
};

// The answer to GET of a manifest, at most oci::kMaxManifestBytes long and not verified yet.
struct ManifestBody {
  std::string bytes;
  std::string media_type;
  AnswerAge age{};
};

struct BlobHead {
  std::optional<std::uint64_t> size_bytes;  // nullopt when upstream states no size.
};

// The part of a blob that a request asks for: from `offset` on, up to `end` or to the blob's end.
struct BlobSpan {
  BlobSpan(std::uint64_t from) : offset(from) {}  // NOLINT: most requests have no end.
  BlobSpan(std::uint64_t from, std::optional<std::uint64_t> to) : offset(from), end(to) {}

  std::uint64_t offset = 0;
  std::optional<std::uint64_t> end;  // The offset after the last byte.
};

// The part of a blob that upstream is about to send.
struct BlobStart {
  // The offset of the first byte that comes: as requested, or 0.
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> size_bytes;  // The size of the whole blob, if stated.
  bool by_hedge = false;                    // A request of BlobTransfer::hedge() brings the blob.
};

// Takes a blob as it comes: on_blob_start() once, on_blob_bytes() any number of times,
// on_blob_end() last. on_blob_end() with an error may be the only call.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // The request was sent, after its waits for a slot and a turn. The call comes at most once for
  // each upstream that is asked, before on_blob_start(). The call must not destroy the transfer.
  virtual void on_blob_asked() {}
  virtual void on_blob_start(const BlobStart& start) = 0;
  // `bytes` is valid during the call only. The sink may call pause() inside this call.
  virtual void on_blob_bytes(std::string_view bytes) = 0;
  // `status` is ok when the body had the length that upstream stated, and all requested bytes.
  virtual void on_blob_end(Status status) = 0;
  // Whether no client waits for the blob. A transfer in the background should have few bytes on the
  // way.
  virtual bool in_background() const { return false; }
  // Whether a paused transfer gives its slot to other transfers, because the pause may be long.
  virtual bool lends_slot() const { return in_background(); }
  // Whether the transfer is worth a request only while a slot and a turn are free. The transfer
  // fails if it would have to wait for them, and when its slot is taken for another transfer.
  virtual bool is_spare() const { return false; }
  // The clients that wait for the blob, each with its counted_address() once. The list may change
  // during the transfer. The transfers of different clients take turns.
  virtual std::vector<IpAddress> clients() const { return {}; }
};

// A blob on its way from upstream. The destructor ends the transfer. Any call to the sink may
// destroy the transfer.
class BlobTransfer : public Operation {
 public:
  // Backpressure: between pause() and resume() no on_blob_bytes() comes, but on_blob_start() and
  // on_blob_end() may come. pause() and resume() are idempotent. A repeated pause() says that
  // lends_slot() may have changed. A repeated resume() says that clients() may have changed.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // Sends a hedge: a second request for the same bytes, over a new connection. The request that is
  // answered first brings the blob, and the others end. When one request fails, the transfer goes
  // on if another request may still be answered, unless ends_hedges() says that the error ends all
  // requests. At most two requests are under way: a further hedge ends the oldest request. Returns
  // false, and sends nothing, when no request was sent before, when the blob has begun, or when the
  // limits allow no request.
  virtual bool hedge() = 0;
};

// One page of a tag list.
struct TagPage {
  std::vector<std::string> tags;  // In the order in which upstream sent them.
  bool more = false;              // Upstream has a next page.
};
struct TagPageRequest {
  std::optional<std::uint64_t> count;  // The query parameter `n`.
  std::string last;                    // The query parameter `last`; empty for the first page.
};

// The kind of a request. Whether a request may begin now depends on its kind.
enum class Ask {
  kTagCheck,  // HEAD of a manifest: costs no pull, and a cached answer may take its place.
  // HEAD of a tag that isn't cached. No cached answer can take the place of this request, so
  // the request may begin on a doubtful link and when no pulls remain.
  kUnknownTag,
  kManifest,  // GET of a manifest: costs a pull.
  kBlob,      // GET or HEAD of a blob.
  kList,      // Tags and referrers.
};

struct Patience {
  std::chrono::milliseconds wait{0};
  std::string reason;    // For people: "the pull limit is near". Empty without a wait.
  bool is_down = false;  // Upstream doesn't answer, so nobody knows how long the wait will be.
};

// The clients that wait for one request, each with its counted_address(). An address of zeros
// stands for the box itself. More clients may join while the request waits.
using Askers = std::shared_ptr<const std::vector<IpAddress>>;

// Whether upstream refused the request. A cached copy must not hide a refusal.
inline bool is_refusal(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kDenied;
}

// Whether the failure of one request for a blob ends the other requests for the same bytes too.
inline bool ends_hedges(const Error& error) {
  return is_refusal(error) || error.code == ErrorCode::kThrottled;
}

// Errors: kNotFound (404), kDenied (401 after a renewed token, 403), kThrottled (429,
// retry_after as stated), kUnavailable (5xx, no connection, cut off), kTimedOut, kCorrupt (an
// answer that can't be read), kInvalid (any other 4xx). Messages name the URL's host, what was
// asked for and why the request failed.
class Upstream {
 public:
  virtual ~Upstream() = default;

  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // Returns this upstream, and notes that its next request is made on behalf of `askers`. The
  // request must follow at once. A parent is told the first asker; a registry ignores the askers.
  // get_blob() takes the clients from its sink instead.
  virtual Upstream& on_behalf_of(Askers /*askers*/) { return *this; }
  Upstream& on_behalf_of(const IpAddress& client) {
    return on_behalf_of(std::make_shared<const std::vector<IpAddress>>(1, client));
  }
  // More clients have joined the askers of a request that may still wait for its turn.
  virtual void on_more_askers() {}

  // Costs no pull of Docker Hub. `deadline` covers everything, the fetch of a token included.
  virtual Handle head_manifest(const std::string& repository, const oci::Reference& reference,
                               std::chrono::milliseconds deadline, Done<ManifestHead> done) = 0;
  // Costs one pull.
  virtual Handle get_manifest(const std::string& repository, const oci::Reference& reference,
                              Done<ManifestBody> done) = 0;
  virtual Handle head_blob(const std::string& repository, const oci::Digest& digest,
                           Done<BlobHead> done) = 0;
  // Asks for the bytes of `span`. Upstream may send the whole blob instead. `sink` outlives the
  // transfer.
  virtual std::unique_ptr<BlobTransfer> get_blob(const std::string& repository,
                                                 const oci::Digest& digest, const BlobSpan& span,
                                                 BlobSink& sink) = 0;
  virtual Handle get_tags(const std::string& repository, const TagPageRequest& page,
                          Done<TagPage> done) = 0;
  // Fetches the index of referrers as upstream sends it. The error is kNotFound when upstream has
  // no referrers API.
  virtual Handle get_referrers(const std::string& repository, const oci::Digest& digest,
                               const std::string& artifact_type, Done<std::string> done) = 0;
  // Whether upstream answers within `deadline`. Any HTTP status below 500 is an answer.
  virtual Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) = 0;

  // The pull limit in the last answer about a manifest; nullopt if that answer stated no limit, or
  // if no such answer has come.
  virtual std::optional<policy::QuotaState> quota() const = 0;
  // The known ids of the boxes through which the answers of this upstream come.
  virtual std::vector<std::string> boxes() const { return {}; }
  // Why a new request of this kind should not begin now; nullopt when it may begin. Answers at
  // once, without asking upstream. Requests under way go on.
  virtual std::optional<Error> why_not(Ask /*ask*/) { return std::nullopt; }
  // How long a request in the background should be put off. The caller asks again after the
  // wait.
  virtual Patience patience(Ask /*ask*/) const { return {}; }
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_UPSTREAM_H_
