// SPDX-License-Identifier: Apache-2.0
//
// The store answers later, even if the client has gone by then. Waiting drops such an answer.

#include "app/control.h"

#include <cassert>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "layby/admin/images.h"
#include "layby/admin/prefetch.h"
#include "layby/base/number.h"
#include "layby/http/url.h"
#include "layby/oci/reference.h"

namespace layby::app {
namespace {

using Json = nlohmann::ordered_json;

server::Response json_answer(int status, std::string body) {
  server::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.headers.add("Cache-Control", "no-store");
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

server::Response json_answer(int status, const Json& body) {
  return json_answer(status, body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

server::Response error_answer(int status, const std::string& sentence) {
  return json_answer(status, Json{{"error", sentence}});
}

server::Response failure_answer(const Error& error) {
  const int status = error.code == ErrorCode::kNotFound ? 404
                     : error.code == ErrorCode::kDenied ? 409
                                                        : 500;
  return error_answer(status, error.message);
}

// A request that waits for its answer. It is destroyed when the client has gone; a later answer
// is then dropped.
class Waiting final : public Operation {
 public:
  explicit Waiting(server::Handler::Respond respond)
      : respond_(std::make_shared<server::Handler::Respond>(std::move(respond))) {}
  ~Waiting() override { *respond_ = nullptr; }

  // Keeps the work that makes the answer; destroying this cancels the work.
  void hold(Handle work) {
    assert(!work_);
    work_ = std::move(work);
  }

  // The function that answers. Only its first call has an effect.
  std::function<void(server::Response)> answer() const {
    return [respond = respond_](server::Response response) {
      if (const auto call = std::exchange(*respond, nullptr)) call(std::move(response));
    };
  }

 private:
  const std::shared_ptr<server::Handler::Respond> respond_;
  Handle work_;
};

Json sum_json(const cache::EvictedSum& sum) {
  return {{"blobs", sum.blobs}, {"bytes", sum.blob_bytes}};
}

}  // namespace

bool Control::takes(const server::Request& request) {
  if (!request.client.is_local) return false;
  for (const char* path :
       {"/images", "/pin", "/unpin", "/evict", "/verify", "/prefetch", "/prefetch/plan"}) {
    if (request.path == path) return true;
  }
  return false;
}

std::optional<cache::TagKey> Control::image_of(const server::Request& request,
                                               const Respond& respond) const {
  const std::string text = http::query_value(request.query, "image").value_or("");
  const auto name = oci::parse_image_name(text);
  if (!name) {
    respond(error_answer(400, "\"" + text + "\" is not an image; write it as for docker, " +
                                  "such as debian:12 or python@sha256:…"));
    return std::nullopt;
  }
  const cache::Origin* origin = cache_.find_origin(name->registry);
  if (origin == nullptr) {
    respond(error_answer(400, "no upstream is called " + name->registry +
                                  "; see \"upstreams\" in layby's configuration"));
    return std::nullopt;
  }
  return cache::TagKey{origin->name, name->repository, oci::to_string(name->reference)};
}

Handle Control::handle(const server::Request& request, Respond respond) {
  assert(takes(request));
  if (request.path == "/prefetch") {
    prefetch(request, respond);
    return nullptr;
  }
  const bool plans = request.path == "/prefetch/plan";
  const bool lists = request.path == "/images" || plans;
  if (request.method != (lists ? "GET" : "POST")) {
    respond(error_answer(405, std::string("use the method ") + (lists ? "GET" : "POST")));
    return nullptr;
  }
  if (plans) return plan(request, std::move(respond));
  if (lists) return list(std::move(respond));
  if (request.path == "/verify") {
    operator_store_.verify();
    respond(json_answer(202, Json::object()));
    return nullptr;
  }
  const auto bytes = http::query_value(request.query, "bytes");
  if (request.path == "/evict" && bytes) return evict_bytes(*bytes, std::move(respond));
  const std::optional<cache::TagKey> key = image_of(request, respond);
  if (!key) return nullptr;
  if (request.path == "/evict") return evict_image(*key, std::move(respond));
  if (request.path == "/pin") return pin(*key, std::move(respond));
  return unpin(*key, std::move(respond));
}

Handle Control::list(Respond respond) {
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  operator_store_.list_images(
      [this, answer = waiting->answer()](const Result<cache::Catalog>& catalog) {
        answer(catalog ? json_answer(200, admin::images_json(*catalog, clock_.wall_now()))
                       : failure_answer(catalog.error()));
      });
  return waiting;
}

Handle Control::evict_bytes(const std::string& text, Respond respond) {
  const std::optional<std::uint64_t> bytes = parse_number(text);
  if (!bytes) {
    respond(error_answer(400, "\"bytes\" must be a number"));
    return nullptr;
  }
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  store_.evict(*bytes, [answer = waiting->answer()](const Result<cache::EvictedSum>& sum) {
    answer(sum ? json_answer(200, sum_json(*sum)) : failure_answer(sum.error()));
  });
  return waiting;
}

Handle Control::evict_image(const cache::TagKey& key, Respond respond) {
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  operator_store_.evict_image(
      key, [answer = waiting->answer(), key](const Result<cache::EvictedSum>& sum) {
        if (!sum) return answer(failure_answer(sum.error()));
        Json body = {{"image", admin::image_name(key)}};
        body.update(sum_json(*sum));
        answer(json_answer(200, body));
      });
  return waiting;
}

Handle Control::pin(const cache::TagKey& key, Respond respond) {
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  operator_store_.pin(key, [this, answer = waiting->answer(), key](const Result<bool>& was) {
    if (!was) return answer(failure_answer(was.error()));
    const auto digest = oci::Digest::parse(key.tag);
    const bool cached =
        digest ? store_.find_manifest(*digest).has_value() : store_.find_tag(key).has_value();
    answer(json_answer(200, Json{{"image", admin::image_name(key)}, {"cached", cached}}));
  });
  return waiting;
}

Handle Control::unpin(const cache::TagKey& key, Respond respond) {
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  operator_store_.unpin(key, [answer = waiting->answer(), key](const Result<bool>& was) {
    if (!was) return answer(failure_answer(was.error()));
    answer(json_answer(200, Json{{"image", admin::image_name(key)}, {"was_pinned", *was}}));
  });
  return waiting;
}

void Control::prefetch(const server::Request& request, const Respond& respond) {
  if (request.method == "GET" || request.method == "HEAD") {
    return respond(json_answer(200, admin::prefetch_json(prefetching_.status())));
  }
  if (request.method != "POST") return respond(error_answer(405, "use the method GET or POST"));
  if (http::query_value(request.query, "stop")) {
    prefetching_.stop();
    return respond(json_answer(200, Json{{"run", prefetching_.status().run}}));
  }
  const Result<std::uint64_t> run = prefetching_.start();
  respond(run ? json_answer(202, Json{{"run", *run}}) : failure_answer(run.error()));
}

Handle Control::plan(const server::Request& request, Respond respond) {
  auto waiting = std::make_unique<Waiting>(std::move(respond));
  const bool sizes = http::query_value(request.query, "sizes").has_value();
  waiting->hold(
      prefetching_.plan(sizes, [answer = waiting->answer()](const Result<std::string>& plan) {
        answer(plan ? json_answer(200, *plan) : failure_answer(plan.error()));
      }));
  return waiting;
}

}  // namespace layby::app
