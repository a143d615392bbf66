// SPDX-License-Identifier: Apache-2.0
//
// The sums of a plan are estimates or lower bounds. For an image whose manifests aren't cached, a
// sum counts the size of the image that the tag pointed to before, or 0 bytes for a new tag.

#include "layby/admin/prefetch.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layby/admin/images.h"

namespace layby::admin {
namespace {

using Json = nlohmann::ordered_json;
using cache::PrefetchState;
using cache::PrefetchTag;

Json fault_json(const ListFault& fault) {
  return {{"line", fault.line}, {"path", fault.path}, {"message", fault.message}};
}

Json substitutes_json(const PrefetchTag& tag) {
  Json substitutes = Json::array();
  for (const cache::Substitute& substitute : tag.substitutes) {
    substitutes.push_back({{"wanted", substitute.wanted}, {"taken", substitute.taken}});
  }
  return substitutes;
}

Json image_json(const PrefetchTag& tag) {
  return {{"image", image_name(tag.tag)},         {"state", to_string(tag.state)},
          {"bytes_total", tag.bytes_total},       {"bytes_done", tag.bytes_done},
          {"substitutes", substitutes_json(tag)}, {"error", tag.error}};
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string_view planned_state(const PrefetchTag& tag) {
  if (tag.state == PrefetchState::kFailed) return "failed";
  if (tag.state == PrefetchState::kCurrent) {
    return tag.before == tag.now ? "current" : "moved";
  }
  if (!tag.before) return "new";
  return tag.before == tag.now ? "incomplete" : "moved";
}

// The bytes that a run would fetch for the tag, perhaps an estimate; nullopt if unknown.
std::optional<std::uint64_t> planned_bytes(const PrefetchTag& tag) {
  if (tag.bytes_known || tag.state == PrefetchState::kFailed) return tag.bytes_total;
  if (tag.before_bytes > 0) return tag.before_bytes;
  return std::nullopt;
}

// Whether the tag failed before its size was known.
bool has_failed_early(const PrefetchTag& tag) {
  return tag.state == PrefetchState::kFailed && !tag.bytes_known;
}

Json planned_json(const PrefetchTag& tag) {
  const auto bytes = planned_bytes(tag);
  return {{"image", image_name(tag.tag)},
          {"state", planned_state(tag)},
          {"pulls", tag.pulls},
          {"bytes", bytes ? Json(*bytes) : Json()},
          {"estimated", bytes.has_value() && !tag.bytes_known},
          {"substitutes", substitutes_json(tag)},
          {"error", tag.error}};
}

Json quota_json(const PlannedQuota& of, std::uint64_t pulls) {
  const policy::QuotaState& quota = *of.quota;
  const auto needed = policy::time_for_pulls(of.reserve, quota, pulls);
  return {{"upstream", of.upstream},
          {"limit", quota.limit.count},
          {"remaining", quota.remaining.count},
          {"reserve", of.reserve.of(quota.limit.count)},
          {"window_seconds", quota.limit.window.count()},
          {"suffices", needed.count() == 0},
          {"seconds_needed", needed.count()}};
}

}  // namespace

std::string prefetch_json(const PrefetchStatus& status) {
  Json faults = Json::array();
  for (const ListFault& fault : status.faults) faults.push_back(fault_json(fault));
  Json images = Json::array();
  for (const PrefetchTag& tag : status.report.tags) images.push_back(image_json(tag));
  const auto& tags = status.report.tags;
  const bool known = std::all_of(tags.begin(), tags.end(), [](const PrefetchTag& tag) {
    return tag.bytes_known || tag.state == PrefetchState::kFailed;
  });
  return dump({{"list", status.list},
               {"state", status.state},
               {"reason", status.reason},
               {"run", status.run},
               {"result", status.result},
               {"next_run_seconds", status.next_run ? Json(status.next_run->count()) : Json()},
               {"faults", std::move(faults)},
               {"troubles", status.report.troubles},
               {"bytes_total", status.report.bytes_total},
               {"bytes_done", status.report.bytes_done},
               {"bytes_known", known},
               {"pulls", status.report.pulls_spent},
               {"images", std::move(images)}});
}

std::string plan_json(const cache::PrefetchReport& plan, const std::vector<PlannedQuota>& quotas) {
  Json images = Json::array();
  std::uint64_t pulls = 0;
  std::uint64_t bytes = plan.bytes_total;
  std::uint64_t unknown = 0;
  const bool any_size = plan.tags.empty() ||
                        std::any_of(plan.tags.begin(), plan.tags.end(), [](const PrefetchTag& tag) {
                          return planned_bytes(tag).has_value() && !has_failed_early(tag);
                        });
  const bool fits = plan.capacity_bytes == 0 || plan.list_bytes <= plan.capacity_bytes;
  for (const PrefetchTag& tag : plan.tags) {
    images.push_back(planned_json(tag));
    pulls += tag.pulls;
    if (!planned_bytes(tag)) ++unknown;
    if (!tag.bytes_known) bytes += planned_bytes(tag).value_or(0);
  }
  Json limits = Json::array();
  for (const PlannedQuota& quota : quotas) {
    if (!quota.quota) continue;
    std::uint64_t of_it = 0;
    for (const PrefetchTag& tag : plan.tags) {
      of_it += tag.tag.upstream == quota.upstream ? tag.pulls : 0;
    }
    limits.push_back(quota_json(quota, of_it));
  }
  return dump({{"images", std::move(images)},
               {"troubles", plan.troubles},
               {"pulls", pulls},
               {"bytes", bytes},
               {"unknown_images", unknown},
               {"capacity_bytes", plan.capacity_bytes},
               {"list_bytes", plan.list_bytes},
               {"fits", any_size ? Json(fits) : Json()},
               {"quotas", std::move(limits)}});
}

}  // namespace layby::admin
