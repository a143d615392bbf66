// SPDX-License-Identifier: Apache-2.0
//
// Finds the origin of a request, and passes the request to Manifests, Fills or upstream.
//
// Invariants: the cache keeps former origins until its own end, because work under way may refer to
// them; the upstream of each origin is a CurrentUpstream.

#include "layby/cache/cache.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "cache/current_upstream.h"
#include "cache/fills.h"
#include "cache/grant_checks.h"
#include "cache/manifests.h"
#include "cache/prefetch_run.h"
#include "cache/pull_ahead.h"
#include "cache/second_pulls.h"
#include "cache/with_retries.h"
#include "layby/policy/repository_filter.h"

namespace layby::cache {
namespace {

// Returns the part of the sorted `tags` that `page` asks for.
TagPage cut_page(std::vector<std::string> tags, const TagPageRequest& page) {
  auto first = tags.begin();
  if (!page.last.empty()) first = std::upper_bound(tags.begin(), tags.end(), page.last);
  tags.erase(tags.begin(), first);
  const bool more = page.count && tags.size() > *page.count;
  if (more) tags.resize(static_cast<std::size_t>(*page.count));
  return {std::move(tags), more};
}

}  // namespace

bool Origin::serves(const std::string& repository) const {
  return policy::allows(allow, repository) && !policy::allows(deny, repository);
}

bool Origin::keeps_private(const std::string& repository) const {
  return is_private && !(oci::is_docker_hub(name) && repository.starts_with("library/"));
}

struct Cache::State {
  // An origin. Its address stays the same as long as the cache exists.
  struct Place {
    Origin origin;  // origin.upstream is `upstream`, the next member.
    std::shared_ptr<CurrentUpstream> upstream;
  };

  Rules rules;
  Store& store;
  Timers& timers;
  Graveyard former_upstreams;
  std::vector<std::unique_ptr<Place>> origins;
  std::vector<std::unique_ptr<Place>> removed;  // Former origins.
  const Clock& clock;
  Counters& counters;
  SecondPulls second_pulls;
  UnknownContent unknown_lists;  // By repository, or by "repository@digest" for referrers.
  GrantChecks grant_checks;
  Manifests manifests;
  Fills fills;
  PullAhead pull_ahead;
  Prefetcher prefetcher;

  State(Rules r, std::vector<Origin> o, Store& s, Timers& t, const Clock& now, Counters& c,
        events::Events& events)
      : rules(std::move(r)),
        store(s),
        timers(t),
        former_upstreams(t),
        clock(now),
        counters(c),
        unknown_lists(rules.unknown_for, now),
        grant_checks(rules, s, t, c),
        manifests({rules, s, t, clock, c, grant_checks, events}),
        fills(rules, s, t, clock, c, grant_checks, events),
        pull_ahead(rules, fills, s, t, clock, c),
        prefetcher({rules, s, t, clock, c, manifests, fills, events}) {
    manifests.on_fetched([this](const events::Subject& image, const ManifestAnswer& answer) {
      pull_ahead.on_manifest(image, answer);
    });
    set_origins(std::move(o));
  }

  // The reason not to ask upstream for a list now: upstream refused the list a moment ago, or can't
  // be asked.
  std::optional<Error> why_not_list(const Origin& origin, const std::string& name) {
    if (auto refusal = unknown_lists.find({&origin, name})) {
      count(counters.unknown_served);
      return refusal;
    }
    return origin.upstream->why_not(Ask::kList);
  }
  // Wraps `done`, so that upstream's refusal of the list is remembered.
  template <typename T>
  Done<T> noted(const Origin& origin, const std::string& name, Done<T> done) {
    return [this, &origin, name, done = std::move(done)](Result<T> answer) {
      if (!answer.ok() && is_refusal(answer.error())) {
        unknown_lists.note({&origin, name}, answer.error());
      }
      done(std::move(answer));
    };
  }

  void set_origins(std::vector<Origin> next) {
    assert(!next.empty());
    auto before = std::exchange(origins, {});
    std::move(removed.begin(), removed.end(), std::back_inserter(before));
    removed.clear();
    for (Origin& origin : next) origins.push_back(place(std::move(origin), before));
    for (auto& place : before) {
      if (!place) continue;
      place->upstream->replace(nullptr);
      removed.push_back(std::move(place));
    }
  }

  // Puts `origin` into a place. If `before` has a place for an origin of the same name, that place
  // moves from `before` to the caller. Otherwise the place is new.
  std::unique_ptr<Place> place(Origin origin, std::vector<std::unique_ptr<Place>>& before) {
    assert(origin.upstream);
    const auto at = std::find_if(before.begin(), before.end(), [&origin](const auto& known) {
      return known && known->origin.name == origin.name;
    });
    auto place = at == before.end() ? new_place(origin.name) : std::move(*at);
    const auto upstream = std::exchange(origin.upstream, place->upstream);
    // The caller may have copied the origin from origins(), and its upstream with it.
    if (upstream != place->upstream) place->upstream->replace(upstream);
    place->origin = std::move(origin);
    return place;
  }
  std::unique_ptr<Place> new_place(const std::string& name) {
    return std::make_unique<Place>(
        Place{{}, std::make_shared<CurrentUpstream>(name, former_upstreams, timers)});
  }
};

Cache::Cache(Rules rules, std::vector<Origin> origins, Store& store, Timers& timers,
             const Clock& clock, Counters& counters, events::Events& events)
    : state_(std::make_unique<State>(std::move(rules), std::move(origins), store, timers, clock,
                                     counters, events)) {}

Cache::~Cache() = default;

void Cache::set_rules(Rules rules) { state_->rules = std::move(rules); }

void Cache::set_origins(std::vector<Origin> origins) { state_->set_origins(std::move(origins)); }

const Origin* Cache::find_origin(std::string_view ns) const {
  const auto& origins = state_->origins;
  if (ns.empty()) return &origins.front()->origin;
  const bool is_hub = oci::is_docker_hub(ns);
  const auto at = std::find_if(origins.begin(), origins.end(), [ns, is_hub](const auto& place) {
    const std::string& name = place->origin.name;
    return name == ns || (is_hub && oci::is_docker_hub(name));
  });
  return at == origins.end() ? nullptr : &(*at)->origin;
}

Handle Cache::get_manifest(const Origin& origin, const std::string& repository,
                           const oci::Reference& reference, bool head, Done<ManifestAnswer> done,
                           const IpAddress& client) {
  return state_->manifests.get(origin, repository, reference, head, std::move(done), client);
}

Handle Cache::open_blob(const Origin& origin, const std::string& repository,
                        const oci::Digest& digest, Done<std::unique_ptr<BlobReader>> done,
                        const IpAddress& client) {
  return state_->fills.open(origin, repository, digest, std::move(done), client);
}

Handle Cache::head_blob(const Origin& origin, const std::string& repository,
                        const oci::Digest& digest, Done<BlobHead> done, const IpAddress& client) {
  return state_->fills.head(origin, repository, digest, std::move(done), client);
}

Handle Cache::get_tags(const Origin& origin, const std::string& repository,
                       const TagPageRequest& page, Done<TagPage> done, const IpAddress& client) {
  auto or_cached = [this, &origin, repository, page,
                    done = std::move(done)](Result<TagPage> answer) {
    if (!answer.ok() && !is_refusal(answer.error())) {
      auto tags = state_->store.list_tags(origin.name, repository);
      if (!tags.empty()) return done(cut_page(std::move(tags), page));
    }
    done(std::move(answer));
  };
  if (const auto refused = state_->why_not_list(origin, repository)) {
    or_cached(*refused);
    return nullptr;
  }
  // Makes only one attempt, because people who ask for a list prefer the cached tags to a wait.
  return origin.upstream->on_behalf_of(client).get_tags(
      repository, page, state_->noted<TagPage>(origin, repository, std::move(or_cached)));
}

Handle Cache::get_referrers(const Origin& origin, const std::string& repository,
                            const oci::Digest& digest, const std::string& artifact_type,
                            Done<std::string> done, const IpAddress& client) {
  const std::string name = repository + "@" + digest.str();
  auto or_none = [done = std::move(done)](Result<std::string> answer) {
    const bool none = !answer.ok() && answer.error().code == ErrorCode::kNotFound;
    done(none ? Result<std::string>(std::string()) : std::move(answer));
  };
  if (const auto refused = state_->why_not_list(origin, name)) {
    or_none(*refused);
    return nullptr;
  }
  return origin.upstream->on_behalf_of(client).get_referrers(
      repository, digest, artifact_type,
      state_->noted<std::string>(origin, name, std::move(or_none)));
}

void Cache::fetch_blob(const Origin& origin, const std::string& repository,
                       const oci::Digest& digest) {
  state_->fills.fetch(origin, repository, digest);
}

void Cache::set_link_rate(std::uint64_t max_rate) { state_->pull_ahead.set_link_rate(max_rate); }

void Cache::note_whole_pull(const IpAddress& client, const oci::Digest& digest) {
  const bool again = state_->second_pulls.note(client, digest, state_->clock.steady_now());
  if (again) state_->store.check_blob(digest);
}

Prefetcher& Cache::prefetcher() { return state_->prefetcher; }

std::vector<FillStatus> Cache::fills() const { return state_->fills.status(); }

bool Cache::full() const { return state_->fills.full(); }

std::vector<const Origin*> Cache::origins() const {
  std::vector<const Origin*> all;
  for (const auto& place : state_->origins) all.push_back(&place->origin);
  return all;
}

std::vector<TagMove> Cache::moves() const { return state_->manifests.moves(); }

}  // namespace layby::cache
