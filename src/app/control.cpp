// SPDX-License-Identifier: Apache-2.0
//
// The store answers later, and the client may have gone by then. The class Later drops an answer
// whose client has gone.

#include "app/control.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "layby/admin/images.h"
#include "layby/admin/prefetch.h"
#include "layby/base/bytes.h"
#include "layby/base/lifetime.h"
#include "layby/base/number.h"
#include "layby/events/record.h"
#include "layby/http/url.h"
#include "layby/oci/reference.h"
#include "layby/web/answers.h"

namespace layby::app {
namespace {

constexpr std::chrono::hours kLongestDrain{24};

using Json = nlohmann::ordered_json;
using Context = ControlContext;
using server::Request;
using server::Response;
using Respond = server::Handler::Respond;

Response json_answer(int status, const Json& body) {
  return web::json_answer(status, body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

// Waits for the answer to a request. The server destroys this object when the client has gone. An
// answer that comes after the destruction is dropped.
using Later = Droppable<Result<Response>>;

std::unique_ptr<Later> answer_later(const Request& request, Respond respond) {
  // The request outlives the Later.
  return std::make_unique<Later>([&request, respond = std::move(respond)](Result<Response> answer) {
    respond(answer ? std::move(*answer) : web::failure_answer(request, answer.error()));
  });
}

// The image that the query names.
Result<cache::TagKey> image_of(const Context& context, const Request& request) {
  const std::string text = http::query_value(request.query, "image").value_or("");
  const auto name = oci::parse_image_name(text);
  if (!name) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("\"{}\" is not an image; write it as for docker, such as debian:12 or "
                             "python@sha256:…",
                             text)};
  }
  const cache::Origin* origin = context.cache.find_origin(name->registry);
  if (origin == nullptr) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("no upstream is called {}; see \"upstreams\" in layby's configuration",
                             name->registry)};
  }
  return cache::TagKey{origin->name, name->repository, oci::to_string(name->reference)};
}

Json sum_json(const cache::EvictedSum& sum) {
  return {{"blobs", sum.blobs}, {"bytes", sum.blob_bytes}};
}

Handle list(const Context& context, const Request& request, Respond respond) {
  auto later = answer_later(request, std::move(respond));
  context.operator_store.list_images(
      [&clock = context.clock, answer = later->call()](const Result<cache::Catalog>& catalog) {
        if (!catalog) return answer(catalog.error());
        answer(web::json_answer(200, admin::images_json(*catalog, clock.wall_now())));
      });
  return later;
}

Handle evict_bytes(const Context& context, std::uint64_t bytes, const Request& request,
                   Respond respond) {
  auto later = answer_later(request, std::move(respond));
  context.store.evict(bytes, [answer = later->call()](const Result<cache::EvictedSum>& sum) {
    if (!sum) return answer(sum.error());
    answer(json_answer(200, sum_json(*sum)));
  });
  return later;
}

Handle evict_image(const Context& context, const cache::TagKey& key, const Request& request,
                   Respond respond) {
  auto later = answer_later(request, std::move(respond));
  context.operator_store.evict_image(
      key, [answer = later->call(), key](const Result<cache::EvictedSum>& sum) {
        if (!sum) return answer(sum.error());
        Json body = {{"image", admin::image_name(key)}};
        body.update(sum_json(*sum));
        answer(json_answer(200, body));
      });
  return later;
}

Handle pin(const Context& context, const cache::TagKey& key, const Request& request,
           Respond respond) {
  auto later = answer_later(request, std::move(respond));
  context.operator_store.pin(
      key, [&store = context.store, answer = later->call(), key](const Result<bool>& was) {
        if (!was) return answer(was.error());
        const auto digest = oci::Digest::parse(key.tag);
        const bool cached =
            digest ? store.find_manifest(*digest).has_value() : store.find_tag(key).has_value();
        answer(json_answer(200, Json{{"image", admin::image_name(key)}, {"cached", cached}}));
      });
  return later;
}

Handle unpin(const Context& context, const cache::TagKey& key, const Request& request,
             Respond respond) {
  auto later = answer_later(request, std::move(respond));
  context.operator_store.unpin(key, [answer = later->call(), key](const Result<bool>& was) {
    if (!was) return answer(was.error());
    answer(json_answer(200, Json{{"image", admin::image_name(key)}, {"was_pinned", *was}}));
  });
  return later;
}

// Calls `act` for the image that the query names.
template <auto act>
Handle for_image(const Context& context, const Request& request, Respond respond) {
  const auto key = image_of(context, request);
  if (key) return act(context, *key, request, std::move(respond));
  respond(web::error_answer(request, 400, key.error().message));
  return nullptr;
}

Handle evict(const Context& context, const Request& request, Respond respond) {
  const auto text = http::query_value(request.query, "bytes");
  if (!text) return for_image<evict_image>(context, request, std::move(respond));
  const std::optional<std::uint64_t> bytes = parse_number(*text);
  if (bytes) return evict_bytes(context, *bytes, request, std::move(respond));
  respond(web::error_answer(request, 400, "\"bytes\" must be a number"));
  return nullptr;
}

Response verify(const Context& context, const Request&) {
  context.operator_store.verify();
  return json_answer(202, Json::object());
}

Response prefetch_status(const Context& context, const Request&) {
  return web::json_answer(200, admin::prefetch_json(context.prefetching.status()));
}

Response prefetch_run(const Context& context, const Request& request) {
  if (http::query_value(request.query, "stop")) {
    context.prefetching.stop();
    return json_answer(200, Json{{"run", context.prefetching.status().run}});
  }
  const Result<std::uint64_t> run = context.prefetching.start();
  return run ? json_answer(202, Json{{"run", *run}}) : web::failure_answer(request, run.error());
}

Handle prefetch_plan(const Context& context, const Request& request, Respond respond) {
  auto later = answer_later(request, std::move(respond));
  const bool sizes = http::query_value(request.query, "sizes").has_value();
  later->own(
      context.prefetching.plan(sizes, [answer = later->call()](const Result<std::string>& plan) {
        if (!plan) return answer(plan.error());
        answer(web::json_answer(200, *plan));
      }));
  return later;
}

Response events(const Context& context, const Request& request) {
  const std::optional<std::uint64_t> after =
      parse_number(http::query_value(request.query, "after").value_or("0"));
  if (!after) return web::error_answer(request, 400, "\"after\" must be a number");
  std::string lines;
  for (const events::Record& record : context.ring.newer_than(*after)) {
    lines += (lines.empty() ? "\n" : ",\n") + events::to_json(record);
  }
  return web::json_answer(200, fmt::format("{{\"events\": [{}]}}\n", lines));
}

Response drain(const Context& context, const Request& request) {
  const auto text = http::query_value(request.query, "for");
  const auto wait = text ? parse_duration(*text) : context.config.drain_for;
  if (!wait || *wait > kLongestDrain) {
    return web::error_answer(request, 400,
                             "the time must be a duration of at most 1d, such as 30s or 5m");
  }
  context.shutdown.drain(*wait);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait);
  return json_answer(202, Json{{"seconds", seconds.count()}});
}

using AtOnce = Response (*)(const Context&, const Request&);
using Waiting = Handle (*)(const Context&, const Request&, Respond);

web::Route::Answer with(const Context& context, AtOnce answer) {
  return web::at_once(
      [context, answer](const Request& request) { return answer(context, request); });
}

web::Route::Answer with(const Context& context, Waiting answer) {
  return [context, answer](const Request& request, Respond respond) {
    return answer(context, request, std::move(respond));
  };
}

}  // namespace

void add_control_routes(web::Routes& routes, const ControlContext& context) {
  const auto add = [&](const char* method, const char* path, const char* summary, auto answer) {
    routes.add({method, path, web::Who::kLocal, summary, with(context, answer)});
  };
  add("GET", "/images", "the cached images", list);
  add("POST", "/pin", "keeps ?image= in the cache", for_image<pin>);
  add("POST", "/unpin", "lets ?image= be evicted again", for_image<unpin>);
  add("POST", "/evict", "removes ?image=, or frees ?bytes=", evict);
  add("POST", "/verify", "checks all stored blobs now", verify);
  add("GET", "/prefetch", "the present or last run of the prefetch list", prefetch_status);
  add("POST", "/prefetch", "begins a run, or stops it with ?stop", prefetch_run);
  add("GET", "/prefetch/plan", "what a run would fetch, with all sizes if ?sizes", prefetch_plan);
  add("POST", "/drain", "ends the daemon after a drain of ?for= or drain_for", drain);
  add("GET", "/events", "the events newer than number ?after=", events);
}

}  // namespace layby::app
