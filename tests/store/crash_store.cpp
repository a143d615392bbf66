// SPDX-License-Identifier: Apache-2.0
//
// The functions wait on the loop for the store's callbacks, for ten seconds at most.

#include "store/crash_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "support/store_test.h"

namespace layby::testing {
namespace {

namespace fs = std::filesystem;

// A digest from the name of a file in partial/.
std::optional<oci::Digest> digest_of(std::string name) {
  const auto dash = name.find('-');
  if (dash == std::string::npos) return std::nullopt;
  name[dash] = ':';
  return oci::Digest::parse(name);
}

}  // namespace

CrashStore::CrashStore(const std::string& data_dir, std::chrono::hours later)
    : data_dir_(data_dir) {
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  clock_.set_wall(WallTime(std::chrono::duration_cast<milliseconds>(now + later)));
  store::Options options;
  options.data_dir = data_dir;
  options.index_map_bytes = std::uint64_t{256} << 20;
  options.private_after_rebuild = true;
  auto opened = store::DiskStore::open(options, *loop_, *workers_, clock_, counters_, events_);
  if (opened.ok()) {
    store_ = *std::move(opened);
  } else {
    failure_ = opened.error().message;
  }
}

CrashStore::~CrashStore() {
  store_.reset();
  workers_.reset();
}

bool CrashStore::turn_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  bool held = condition();
  Handle timer;
  std::function<void()> look = [&] {
    held = condition();
    if (held || std::chrono::steady_clock::now() > deadline) return loop_->stop();
    timer = loop_->after(std::chrono::milliseconds(1), look);
  };
  if (held) return true;
  timer = loop_->after(std::chrono::milliseconds(0), look);
  loop_->run();
  return held;
}

bool CrashStore::settle() {
  return turn_until([this] { return !store_->scrub().running && leftovers(false).empty(); });
}

bool CrashStore::acknowledged(const std::function<void(std::function<void(bool)>)>& ask) {
  std::optional<bool> answer;
  ask([&answer](bool given) { answer = given; });
  return turn_until([&answer] { return answer.has_value(); }) && *answer;
}

// Writes the second half of the missing bytes ahead, as a fill with segments does.
void CrashStore::append_end_first(cache::BlobWriter& writer, const WriterLog& log,
                                  const std::string& bytes) {
  const std::size_t half = (bytes.size() - *log.kept) / 2;
  const std::size_t end = *log.kept + half;
  writer.write_ahead(end, bytes.substr(end));
  turn_until([&] { return log.ahead_bytes == bytes.size() - end || log.ahead_error; });
  writer.append(bytes.substr(*log.kept, half));
  if (log.ahead_error) return writer.append(bytes.substr(end));
  writer.append_written(bytes.size() - end);
}

bool CrashStore::publish(const std::string& bytes, bool is_private) {
  const oci::Digest digest = oci::Digest::of(bytes);
  WriterLog log;
  const auto writer = store_->write_blob(digest, log);
  turn_until([&] { return log.ready() || log.ended(); });
  if (is_private) store_->grant(digest, KnownContent::mine());
  if (log.ready() && *log.kept < bytes.size()) append_end_first(*writer, log, bytes);
  writer->finish();
  return turn_until([&] { return log.ended(); }) && log.published();
}

bool CrashStore::publish_all(const std::vector<std::string>& blobs) {
  std::vector<WriterLog> logs(blobs.size());
  std::vector<std::unique_ptr<cache::BlobWriter>> writers;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    writers.push_back(store_->write_blob(oci::Digest::of(blobs[i]), logs[i]));
    writers[i]->append(blobs[i]);
    writers[i]->finish();
  }
  const auto all = [&logs](bool (WriterLog::*is)() const) {
    return std::all_of(logs.begin(), logs.end(), [is](const auto& log) { return (log.*is)(); });
  };
  return turn_until([&] { return all(&WriterLog::ended); }) && all(&WriterLog::published);
}

bool CrashStore::put_manifest(const TestManifest& manifest, bool is_private) {
  if (is_private) store_->grant(manifest.digest, KnownContent::mine());
  return acknowledged([&](auto done) {
    store_->put_manifest(manifest.digest, manifest.stored(),
                         [done](const Status& status) { done(status.ok()); });
  });
}

bool CrashStore::put_tag(const std::string& tag, const oci::Digest& digest) {
  return acknowledged([&](auto done) {
    store_->put_tag(KnownContent::key(tag), {digest, clock_.wall_now()},
                    [done](const Status& status) { done(status.ok()); });
  });
}

bool CrashStore::pin(const std::string& tag) {
  return acknowledged([&](auto done) {
    store_->pin(KnownContent::key(tag), [done](const auto& before) { done(before.ok()); });
  });
}

bool CrashStore::unpin(const std::string& tag) {
  return acknowledged([&](auto done) {
    store_->unpin(KnownContent::key(tag), [done](const auto& before) { done(before.ok()); });
  });
}

bool CrashStore::list(const std::vector<std::string>& tags) {
  std::vector<cache::TagKey> keys;
  for (const std::string& tag : tags) keys.push_back(KnownContent::key(tag));
  return acknowledged([&](auto done) {
    store_->set_list_pins(keys, [done](const Status& status) { done(status.ok()); });
  });
}

bool CrashStore::evict_image(const std::string& tag) {
  return acknowledged([&](auto done) {
    store_->evict_image(KnownContent::key(tag), [done](const auto& sum) { done(sum.ok()); });
  });
}

bool CrashStore::evict(std::uint64_t bytes) {
  clock_.advance(std::chrono::minutes(10));  // No content counts as part of a pull under way.
  return acknowledged(
      [&](auto done) { store_->evict(bytes, {}, [done](const auto& sum) { done(sum.ok()); }); });
}

bool CrashStore::write_part(const std::string& bytes, std::size_t size) {
  WriterLog log;
  const auto writer = store_->write_blob(oci::Digest::of(bytes), log);
  turn_until([&] { return log.ready() || log.ended(); });
  if (!log.ready()) return false;
  const std::size_t end = *log.kept + size;
  if (end < bytes.size()) writer->write_ahead(end, bytes.substr(end));
  writer->append(bytes.substr(*log.kept, size));
  return turn_until([&] { return log.written >= end && writer->queued_bytes() == 0; });
}

// Private content must never be public. Private content without its grant is of no use to its
// repository.
std::string CrashStore::with_grants(const oci::Digest& digest, const KnownContent& known) {
  if (!known.private_digests.contains(digest)) return "there";
  const auto other = store_->grant_state(digest, KnownContent::other());
  if (other == cache::GrantState::kPublic) return "public";
  const auto mine = store_->grant_state(digest, KnownContent::mine());
  return mine == cache::GrantState::kGranted ? "there" : "granted to nobody";
}

std::string CrashStore::blob_value(const oci::Digest& digest, const KnownContent& known) {
  const auto blob = store_->open_blob(digest);
  if (!blob) return kGone;
  if (read_all(blob->file->fd()) != known.blobs.at(digest)) return "wrong";
  return with_grants(digest, known);
}

std::string CrashStore::manifest_value(const TestManifest& manifest, const KnownContent& known) {
  const auto found = store_->find_manifest(manifest.digest);
  if (!found) return kGone;
  const bool right = *found->bytes == manifest.bytes && found->media_type == manifest.media_type;
  return right ? with_grants(manifest.digest, known) : "wrong";
}

void CrashStore::add_catalog(Values& values) {
  std::optional<Result<cache::Catalog>> catalog;
  store_->list_images([&catalog](auto given) { catalog.emplace(std::move(given)); });
  turn_until([&catalog] { return catalog.has_value(); });
  if (!catalog || !catalog->ok()) return;
  for (const cache::TagKey& pin : (*catalog)->waiting_pins) values["pin " + pin.tag] = "there";
  for (const cache::CachedImage& image : (*catalog)->images) {
    if (image.pinned) values["pin " + image.tag.tag] = "there";
    if (image.listed) values["list " + image.tag.tag] = "there";
  }
}

Values CrashStore::values(const KnownContent& known) {
  Values values;
  for (const auto& [digest, bytes] : known.blobs) {
    values["blob " + digest.str()] = blob_value(digest, known);
  }
  for (const auto& [digest, manifest] : known.manifests) {
    values["manifest " + digest.str()] = manifest_value(manifest, known);
  }
  for (const std::string& tag : known.tags) {
    const auto found = store_->find_tag(KnownContent::key(tag));
    values["tag " + tag] = found ? found->digest.str() : kGone;
  }
  add_catalog(values);
  return values;
}

std::string CrashStore::leftover(const std::string& name, bool day_later) {
  const fs::path path(name);
  if (name.starts_with("blobs/")) {
    if (may_leave_.blobs) return "";
    const auto digest = oci::Digest::parse(path.parent_path().parent_path().filename().string() +
                                           ":" + path.filename().string());
    return digest && store_->find_blob(*digest) ? "" : name;
  }
  if (name.starts_with("partial/")) {
    std::error_code gone;
    const bool settled = fs::hard_link_count(data_dir_ + "/" + name, gone) == 1 && !day_later;
    return settled && digest_of(path.filename().string()) ? "" : name;
  }
  if (may_leave_.quarantine && name.starts_with("quarantine/")) return "";
  const std::set<std::string> expected = {"lock",       "index/data.mdb", "index/lock.mdb",
                                          "ledger/new", "ledger/changes", "index/damaged.mdb"};
  return expected.contains(name) ? "" : name;
}

std::vector<std::string> CrashStore::leftovers(bool day_later) {
  std::vector<std::string> left;
  std::error_code gone;  // A file may be deleted meanwhile.
  fs::recursive_directory_iterator at(data_dir_, gone);
  for (; !gone && at != fs::recursive_directory_iterator(); at.increment(gone)) {
    if (at->is_directory(gone)) continue;
    std::string name = leftover(at->path().string().substr(data_dir_.size() + 1), day_later);
    if (!name.empty()) left.push_back(std::move(name));
  }
  return left;
}

std::set<oci::Digest> CrashStore::partials() const {
  std::set<oci::Digest> found;
  for (const auto& entry : fs::directory_iterator(data_dir_ + "/partial")) {
    if (auto digest = digest_of(entry.path().filename().string())) found.insert(*digest);
  }
  return found;
}

// A partial file may have wrong bytes after a power cut, so the first fill may fail. The second
// fill must succeed.
std::string CrashStore::refill(const std::string& bytes) {
  if (publish(bytes)) return "";
  return publish(bytes) ? "" : "a fill fails again after it deleted a damaged partial file";
}

}  // namespace layby::testing
