// SPDX-License-Identifier: Apache-2.0
//
// Declares the name, severity, sentence and fields of each kind of event. A new event needs a
// struct in event.h, and a kind_of() and a tell() here.

#include "layby/events/record.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "layby/base/bytes.h"

namespace layby::events {
namespace {

using Json = nlohmann::ordered_json;

std::string name_of(const Subject& subject) {
  // A digest has a colon; a tag has no colon.
  const bool by_digest = subject.reference.find(':') != std::string_view::npos;
  return fmt::format("{}{}{}", subject.repository, by_digest ? '@' : ':', subject.reference);
}

// A kind of event: its name, its severity, and whether the journal keeps its events.
struct Kind {
  std::string_view name;
  Severity severity = Severity::kInfo;
  bool kept = true;
};

// The sentence and the fields of one event.
struct Telling {
  std::string text;
  Fields fields;
};

// The value of a field in a record.
FieldValue value_of(std::string_view text) { return std::string(text); }
FieldValue value_of(std::uint64_t number) { return number; }
FieldValue value_of(bool truth) { return truth; }

Fields fields_of(const Subject& subject) {
  return {{"upstream", value_of(subject.upstream)},
          {"repository", value_of(subject.repository)},
          {"reference", value_of(subject.reference)}};
}

template <typename... Pairs>
Fields fields_of(const Subject& subject, Pairs&&... more) {
  Fields fields = fields_of(subject);
  (fields.emplace_back(std::forward<Pairs>(more)), ...);
  return fields;
}

std::pair<std::string, FieldValue> error_field(const Error& error) {
  return {"error", value_of(error.message)};
}

std::string_view to_string(Served served) {
  switch (served) {
    case Served::kCached:
      return "cached";
    case Served::kConfirmed:
      return "confirmed";
    case Served::kFetched:
      return "fetched";
    case Served::kStale:
      return "stale";
    case Served::kHeld:
      return "held";
  }
  return "";
}

// The journal keeps images that were fetched from upstream. Hits are too many to keep.
Kind kind_of(const Pulled& event) {
  return {"image.pulled", Severity::kDebug, event.served == Served::kFetched};
}
Telling tell(const Pulled& event) {
  return {fmt::format("{} is served, {}", name_of(event.image), to_string(event.served)),
          fields_of(event.image, std::pair{"digest", value_of(event.digest.str())},
                    std::pair{"served", value_of(to_string(event.served))})};
}

Kind kind_of(const ManifestFailed&) { return {"image.failed", Severity::kWarning}; }
Telling tell(const ManifestFailed& event) {
  return {fmt::format("{}: {}", name_of(event.image), event.error.message),
          fields_of(event.image, error_field(event.error))};
}

Kind kind_of(const ServedStale&) { return {"image.stale", Severity::kWarning}; }
Telling tell(const ServedStale& event) {
  return {
      fmt::format("{}: serving the cached manifest: {}", name_of(event.image), event.error.message),
      fields_of(event.image, error_field(event.error))};
}

Kind kind_of(const TagMoved&) { return {"tag.moved"}; }
Telling tell(const TagMoved& event) {
  return {
      fmt::format("{} moved from {} to {}", name_of(event.image), event.from.str(), event.to.str()),
      fields_of(event.image, std::pair{"from", value_of(event.from.str())},
                std::pair{"to", value_of(event.to.str())})};
}

Kind kind_of(const FillResumed&) { return {"fill.resumed", Severity::kInfo, false}; }
Telling tell(const FillResumed& event) {
  return {fmt::format("{}: an earlier fill left {} bytes{}", name_of(event.blob), event.kept_bytes,
                      event.whole ? ", the whole blob" : ""),
          fields_of(event.blob, std::pair{"kept_bytes", value_of(event.kept_bytes)})};
}

Kind kind_of(const FillRetried&) { return {"fill.retried", Severity::kWarning, false}; }
Telling tell(const FillRetried& event) {
  return {fmt::format("{}: {}; trying again at byte {}", name_of(event.blob), event.error.message,
                      event.offset_bytes),
          fields_of(event.blob, error_field(event.error),
                    std::pair{"offset_bytes", value_of(event.offset_bytes)})};
}

Kind kind_of(const FillUnkept&) { return {"fill.unkept", Severity::kWarning}; }
Telling tell(const FillUnkept& event) {
  const bool full = event.reason.code == ErrorCode::kNoSpace;
  return {fmt::format(
              "{}: passes through without being stored: {}{}", name_of(event.blob),
              event.reason.message,
              full ? "; see cache.max_bytes and cache.min_free_bytes, or use a larger disk" : ""),
          fields_of(event.blob, error_field(event.reason))};
}

Kind kind_of(const BlobPublished&) { return {"blob.published"}; }
Telling tell(const BlobPublished& event) {
  return {fmt::format("{}: stored, {} bytes", name_of(event.blob), event.size_bytes),
          fields_of(event.blob, std::pair{"size_bytes", value_of(event.size_bytes)})};
}

Kind kind_of(const NotStored&) { return {"store.failed", Severity::kError}; }
Telling tell(const NotStored& event) {
  return {fmt::format("{}: served but not stored: {}", name_of(event.content), event.error.message),
          fields_of(event.content, error_field(event.error))};
}

Kind kind_of(const FillFailed&) { return {"fill.failed", Severity::kWarning}; }
Telling tell(const FillFailed& event) {
  return {fmt::format("{}: given up: {}", name_of(event.blob), event.error.message),
          fields_of(event.blob, error_field(event.error))};
}

Kind kind_of(const Evicted&) { return {"store.evicted"}; }
Telling tell(const Evicted& event) {
  return {
      fmt::format("evicted {} blobs, {} bytes, and {} manifests", event.blobs, event.blob_bytes,
                  event.manifests),
      {{"blobs", event.blobs}, {"blob_bytes", event.blob_bytes}, {"manifests", event.manifests}}};
}

Kind kind_of(const EvictionFailed&) { return {"store.eviction_failed", Severity::kError}; }
Telling tell(const EvictionFailed& event) {
  return {fmt::format("eviction: {}", event.error.message), {error_field(event.error)}};
}

Kind kind_of(const BlobDamaged&) { return {"blob.damaged", Severity::kError}; }
Telling tell(const BlobDamaged& event) {
  return {fmt::format("{} is damaged on the disk; it is moved to quarantine and fetched again",
                      event.path),
          {{"digest", value_of(event.digest.str())}}};
}

Kind kind_of(const ManifestDamaged&) { return {"manifest.damaged", Severity::kError}; }
Telling tell(const ManifestDamaged& event) {
  return {
      fmt::format("manifest {} is damaged on the disk; it is fetched again", event.digest.str()),
      {{"digest", value_of(event.digest.str())}}};
}

Kind kind_of(const ScrubEnded&) { return {"store.checked"}; }
Telling tell(const ScrubEnded& event) {
  return {fmt::format("checked {} stored blobs, {} bytes: {} damaged", event.blobs, event.bytes,
                      event.damaged),
          {{"blobs", event.blobs}, {"bytes", event.bytes}, {"damaged", event.damaged}}};
}

Kind kind_of(const IndexRebuilt&) { return {"index.rebuilt"}; }
Telling tell(const IndexRebuilt& event) {
  return {fmt::format("rebuilt the index from the blob files: {} blobs added, {} damaged",
                      event.blobs, event.damaged),
          {{"blobs", event.blobs}, {"damaged", event.damaged}}};
}

Kind kind_of(const LinkChanged& event) {
  return {event.link == Link::kUp ? "link.up" : "link.down",
          event.link == Link::kUp ? Severity::kInfo : Severity::kWarning};
}
Telling tell(const LinkChanged& event) {
  if (event.link == Link::kUp) {
    return {fmt::format("{}: answers again", event.upstream),
            {{"upstream", value_of(event.upstream)}}};
  }
  return {fmt::format("{}: considered down; cached content is served until it answers a ping{}{}",
                      event.upstream, event.reason.empty() ? "" : "; ", event.reason),
          {{"upstream", value_of(event.upstream)}, {"reason", value_of(event.reason)}}};
}

Kind kind_of(const Throttled&) { return {"upstream.throttled", Severity::kWarning}; }
Telling tell(const Throttled& event) {
  return {fmt::format("{}: answered 429; {} wait {}", event.upstream,
                      event.pulls_only ? "requests for manifests" : "all requests",
                      format_duration(event.wait)),
          {{"upstream", value_of(event.upstream)},
           {"pulls_only", value_of(event.pulls_only)},
           {"wait_ms", value_of(static_cast<std::uint64_t>(event.wait.count()))}}};
}

Kind kind_of(const QuotaChanged&) { return {"quota.changed", Severity::kDebug, false}; }
Telling tell(const QuotaChanged& event) {
  return {fmt::format("{}: {} of {} pulls are left", event.upstream, event.remaining, event.limit),
          {{"upstream", value_of(event.upstream)},
           {"limit", value_of(event.limit)},
           {"remaining", value_of(event.remaining)}}};
}

Kind kind_of(const DiskFullChanged& event) {
  return {event.full ? "store.full" : "store.room",
          event.full ? Severity::kWarning : Severity::kInfo};
}
Telling tell(const DiskFullChanged& event) {
  return {event.full ? "the cache is full and nothing more may be evicted; new blobs are served "
                       "without being stored"
                     : "the cache has room for new blobs again",
          {}};
}

Kind kind_of(const PrefetchedImage&) { return {"prefetch.fetched"}; }
Telling tell(const PrefetchedImage& event) {
  return {fmt::format("prefetch: {} is complete, {} fetched", name_of(event.image),
                      format_bytes(event.fetched_bytes)),
          fields_of(event.image, std::pair{"fetched_bytes", value_of(event.fetched_bytes)})};
}

Kind kind_of(const PrefetchFailed&) { return {"prefetch.failed", Severity::kWarning}; }
Telling tell(const PrefetchFailed& event) {
  return {fmt::format("prefetch: {}: {}", name_of(event.image), event.error.message),
          fields_of(event.image, error_field(event.error))};
}

Kind kind_of(const PrefetchEnded&) { return {"prefetch.ended"}; }
Telling tell(const PrefetchEnded& event) {
  return {fmt::format("prefetch: run {} is over: {} images, {} bytes fetched, {} pulls{}",
                      event.run, event.images, event.fetched_bytes, event.pulls,
                      event.failed ? "; some failed" : ""),
          {{"run", event.run},
           {"images", event.images},
           {"fetched_bytes", event.fetched_bytes},
           {"pulls", event.pulls},
           {"failed", event.failed}}};
}

Kind kind_of(const Started&) { return {"daemon.started"}; }
Telling tell(const Started& event) {
  return {fmt::format("layby {} listening on {}, data in {}", event.version, event.address,
                      event.data_dir),
          {{"version", value_of(event.version)}, {"address", value_of(event.address)}}};
}

Kind kind_of(const Stopping&) { return {"daemon.stopping"}; }
Telling tell(const Stopping& event) {
  return {fmt::format("stopping; {} connections have {} ms to end", event.connections,
                      event.grace.count()),
          {{"connections", event.connections}}};
}

Kind kind(const Event& event) {
  return std::visit([](const auto& one) { return kind_of(one); }, event);
}

constexpr std::array kSeverities{Severity::kDebug, Severity::kInfo, Severity::kWarning,
                                 Severity::kError};

std::optional<Severity> parse_severity(std::string_view text) {
  for (const Severity severity : kSeverities) {
    if (to_string(severity) == text) return severity;
  }
  return std::nullopt;
}

// Whether the system clock can represent the time.
bool is_time(std::int64_t since_epoch_ms) {
  using std::chrono::milliseconds;
  constexpr auto kLatest = std::chrono::floor<milliseconds>(WallTime::max().time_since_epoch());
  return since_epoch_ms >= 0 && since_epoch_ms <= kLatest.count();
}

std::optional<FieldValue> parse_value(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warn";
    case Severity::kError:
      return "error";
  }
  return "";
}

std::string_view kind_of(const Event& event) { return kind(event).name; }
Severity severity_of(const Event& event) { return kind(event).severity; }
bool is_kept(const Event& event) { return kind(event).kept; }

Record record_of(const Event& event, WallTime at) {
  const Kind what = kind(event);
  Telling telling = std::visit([](const auto& one) { return tell(one); }, event);
  return {0,
          at,
          what.severity,
          std::string(what.name),
          std::move(telling.text),
          std::move(telling.fields)};
}

std::string to_json(const Record& record) {
  using std::chrono::milliseconds;
  const auto since_epoch =
      std::chrono::duration_cast<milliseconds>(record.at.time_since_epoch()).count();
  Json fields = Json::object();
  for (const auto& [name, value] : record.fields) {
    std::visit([&, &name = name](const auto& plain) { fields[name] = plain; }, value);
  }
  const Json json{{"number", record.number}, {"at_ms", since_epoch},
                  {"kind", record.kind},     {"severity", to_string(record.severity)},
                  {"text", record.text},     {"fields", std::move(fields)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Record> parse_record(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto text = [&json](const char* key) -> std::optional<std::string> {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_string()) return std::nullopt;
    return at->get<std::string>();
  };
  const auto number = json.find("number");
  const auto at_ms = json.find("at_ms");
  const auto fields = json.find("fields");
  const auto kind = text("kind");
  const auto severity = parse_severity(text("severity").value_or(""));
  const auto sentence = text("text");
  if (number == json.end() || !number->is_number_unsigned()) return std::nullopt;
  if (at_ms == json.end() || !at_ms->is_number_integer()) return std::nullopt;
  if (!is_time(at_ms->get<std::int64_t>())) return std::nullopt;
  if (fields == json.end() || !fields->is_object()) return std::nullopt;
  if (!kind || !severity || !sentence) return std::nullopt;
  Record record{number->get<std::uint64_t>(),
                WallTime(std::chrono::milliseconds(at_ms->get<std::int64_t>())),
                *severity,
                *kind,
                *sentence,
                {}};
  for (const auto& [name, value] : fields->items()) {
    auto parsed = parse_value(value);
    if (!parsed) return std::nullopt;
    record.fields.emplace_back(name, *std::move(parsed));
  }
  return record;
}

}  // namespace layby::events
