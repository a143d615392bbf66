// SPDX-License-Identifier: Apache-2.0
//
// Stands before an upstream and keeps to what it bears: sends no more requests than it
// allows in a minute, goes quiet when it says 429, remembers that it is down and finds
// out by small pings when it is back. What was begun goes on; whether something new
// should be begun is for its caller to ask (refusal(), patience()), so that a request
// which others wait for is tried again as before. Lives on the loop thread.

#ifndef LAYBY_CACHE_GUARD_H_
#define LAYBY_CACHE_GUARD_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "layby/base/clock.h"
#include "layby/cache/async.h"
#include "layby/cache/upstream.h"
#include "layby/policy/breaker.h"
#include "layby/policy/quota.h"
#include "layby/policy/request_log.h"

namespace layby::cache {

struct GuardRules {
  int requests_per_minute = 300;                      // 0 for no limit.
  policy::QuotaReserve reserve;                       // Of the pull limit, for people.
  std::chrono::milliseconds request_timeout{30'000};  // A check that may take less is a quick one.
  std::chrono::milliseconds probe_timeout{5'000};
};

struct GuardStatus {
  policy::Breaker::State link = policy::Breaker::State::kClosed;
  std::chrono::seconds link_since{0};  // How long ago it was last closed; 0 when it is.
  // How long it asked not to be asked: everything, or manifests only.
  std::chrono::seconds throttled_for{0};
  std::chrono::seconds pulls_throttled_for{0};
};

class Guard final : public Upstream {
 public:
  // `name` is for messages: "docker.io". What is passed by reference outlives it.
  Guard(std::string name, GuardRules rules, std::unique_ptr<Upstream> inner, Timers& timers,
        const Clock& clock);
  ~Guard() override;

  GuardStatus status() const;

  Handle head_manifest(const std::string& repository, const oci::Reference& reference,
                       std::chrono::milliseconds deadline, Done<ManifestHead> done) override;
  Handle get_manifest(const std::string& repository, const oci::Reference& reference,
                      Done<ManifestBody> done) override;
  Handle head_blob(const std::string& repository, const oci::Digest& digest,
                   Done<BlobHead> done) override;
  std::unique_ptr<BlobTransfer> get_blob(const std::string& repository, const oci::Digest& digest,
                                         std::uint64_t offset, BlobSink& sink) override;
  Handle get_tags(const std::string& repository, const TagPageRequest& page,
                  Done<TagPage> done) override;
  Handle get_referrers(const std::string& repository, const oci::Digest& digest,
                       const std::string& artifact_type, Done<std::string> done) override;
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override;
  std::optional<policy::QuotaState> quota() const override;
  std::optional<Error> refusal(Ask ask) override;
  Patience patience(Ask ask) const override;

 private:
  class Transfer;
  // What a request was, as far as its failure tells something.
  struct Asked {
    Ask ask;
    bool quick = false;    // It had less than request_timeout.
    bool started = false;  // An answer had begun.
  };

  template <typename T>
  class Passing;

  // Starts it when it is its turn; fails it when that would not be within `longest`.
  template <typename T>
  Handle pass(const Asked& asked, std::chrono::milliseconds longest,
              std::function<Handle(Done<T>)> start, Done<T> done);
  void on_sent(const Asked& asked);
  // `error` is null for a good answer.
  void on_ended(const Asked& asked, const Error* error);
  void on_throttled(const Asked& asked, const Error& error);
  void probe_when_due();
  void probe();
  // Something happened to the breaker that was in state `before`.
  void after_change(policy::Breaker::State before);
  Error no_turn(std::chrono::milliseconds wait) const;

  const std::string name_;
  const GuardRules rules_;
  const std::unique_ptr<Upstream> inner_;
  Timers& timers_;
  const Clock& clock_;
  policy::Breaker breaker_;
  policy::RequestLog log_;
  SteadyTime quiet_until_{};        // For everything.
  SteadyTime pulls_quiet_until_{};  // For manifests.
  int throttled_in_row_ = 0;
  std::uint64_t pulls_under_way_ = 0;
  SteadyTime last_pull_{};
  Handle probe_timer_;
  Handle probe_;  // Under way.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_GUARD_H_
