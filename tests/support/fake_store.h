// SPDX-License-Identifier: Apache-2.0
//
// A store in memory, for tests of code that uses cache::Store or cache::OperatorStore. Blob files
// are memfds, so fd() works with sendfile and pread. No callback comes inside the call: a store
// with Timers uses Timers::defer, and a store without Timers waits for the test to call
// run_pending(). A test can make any step fail or wait. The store passes the contract suite of
// store_contract.h.

#ifndef LAYBY_TESTS_SUPPORT_FAKE_STORE_H_
#define LAYBY_TESTS_SUPPORT_FAKE_STORE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "layby/base/fd.h"
#include "layby/base/lifetime.h"
#include "layby/cache/operator_store.h"
#include "layby/cache/store.h"

namespace layby::testing {

// A simulated site has more files than a process may have descriptors, so a file gets its
// descriptor when a reader asks for it.
class FakeFile final : public cache::BlobFile {
 public:
  int fd() const override {
    if (!fd_) {
      fd_ = UniqueFd(::memfd_create("fake-blob", MFD_CLOEXEC));
      write(0, bytes_);
    }
    return fd_.get();
  }
  const std::string& bytes() const { return bytes_; }
  // Writes bytes beyond the end of bytes().
  void write_ahead(std::uint64_t offset, const std::string& more) const {
    fd();
    write(offset, more);
  }
  void append(const std::string& more) {
    if (fd_) write(bytes_.size(), more);
    bytes_ += more;
  }

 private:
  void write(std::uint64_t offset, const std::string& bytes) const {
    const Status written = write_at(fd_.get(), bytes, offset);
    if (!written.ok()) ADD_FAILURE() << written.error().message;
  }

  mutable UniqueFd fd_;
  std::string bytes_;
};

class FakeStore final : public cache::Store, public cache::OperatorStore {
 public:
  // The steps that can fail or wait. A failure of kVerify drops the partial file. After a
  // failure of kOpen or kWrite the blob passes through without being kept.
  enum class Step {
    kOpen,
    kWrite,
    kWriteAhead,
    kVerify,
    kPublish,
    kPutManifest,
    kPutTag,
    kListPins,
    kEvict,
    kFindUsed,
    kFindParts
  };

  FakeStore() = default;
  explicit FakeStore(Timers& timers) : timers_(&timers) {}

  // Runs all pending calls, and the calls that they add. For a FakeStore without Timers.
  void run_pending() {
    while (!pending_.empty()) {
      const auto call = std::move(pending_.front());
      pending_.pop_front();
      call();
    }
  }

  // Makes the next `times` tries of `step` end with `error`.
  void fail(Step step, Error error, int times = 1) { failures_[step] = {std::move(error), times}; }
  // Stops everything at the beginning of `step` until release(step).
  void hold(Step step) { held_.insert(step); }
  void release(Step step) {
    held_.erase(step);
    for (Writer* writer : writers_) writer->kick();
    kick_puts();
    if (step != Step::kFindParts) return;
    for (auto& answer : std::exchange(held_parts_, {})) later(std::move(answer));
  }

  // Adds a blob that the store has from the start.
  oci::Digest add_blob(const std::string& bytes, ShaKind kind = ShaKind::kSha256) {
    const oci::Digest digest = oci::Digest::of(bytes, kind);
    blobs_[digest] = make_file(bytes);
    blob_bytes_.reset();
    return digest;
  }
  oci::Digest add_manifest(const std::string& bytes, const std::string& media_type) {
    const oci::Digest digest = oci::Digest::of(bytes);
    manifests_[digest] = {std::make_shared<const std::string>(bytes), media_type};
    return digest;
  }
  void add_tag(const cache::TagKey& key, const cache::StoredTag& tag) {
    tags_.insert_or_assign(key, tag);
  }
  // Adds the partial file that an interrupted fill leaves.
  void add_partial(const oci::Digest& digest, const std::string& bytes) {
    partials_[digest] = make_file(bytes);
  }
  void remove_blob(const oci::Digest& digest) {
    blobs_.erase(digest);
    blob_bytes_.reset();
    forget_grants(digest);
  }
  // Makes `digest` private, without a grant for any repository.
  void make_private(const oci::Digest& digest) { grants_[digest]; }

  // The content that the store has now.
  bool has_blob(const oci::Digest& digest) const { return blobs_.contains(digest); }
  bool has_manifest(const oci::Digest& digest) const { return manifests_.contains(digest); }
  std::optional<std::string> partial(const oci::Digest& digest) const {
    const auto found = partials_.find(digest);
    if (found == partials_.end()) return std::nullopt;
    return found->second->bytes();
  }
  int writers_made() const { return writers_made_; }
  int parts_asked() const { return parts_asked_; }  // The calls of find_parts().
  std::size_t open_writers() const { return writers_.size(); }
  cache::StoreUsage& reported_usage() { return usage_; }  // The test sets the disk_ fields.
  // The bytes that each call of evict() asked for.
  const std::vector<std::uint64_t>& evictions() const { return evictions_; }
  // The content that each call of evict() had to spare.
  const std::vector<cache::Spare>& spares() const { return spares_; }
  // Sets the time of the blob's last use, for find_used() and evict().
  void set_used(const oci::Digest& digest, WallTime at) { used_at_[digest] = at; }
  void add_evictable(const oci::Digest& digest) { evictable_.push_back(digest); }
  // After this call, partial files count in usage(). evict() first deletes partial files without a
  // writer, and then the blobs that were published after this call, oldest first.
  void live_like_a_disk() { lifelike_ = true; }
  // Cuts the power. The caller destroys all writers before the call. Puts without an answer are
  // lost, and each partial file keeps its first `kept_bytes(size)` bytes. After the call the store
  // works like a store that has just started.
  void crash(const std::function<std::size_t(std::size_t)>& kept_bytes) {
    if (!writers_.empty()) ADD_FAILURE() << "a writer outlived its daemon";
    alive_ = std::make_shared<bool>(true);
    puts_.clear();
    for (auto& [digest, file] : partials_) {
      const std::string& bytes = file->bytes();
      file = make_file(bytes.substr(0, kept_bytes(bytes.size())));
    }
  }
  const std::set<cache::TagKey>& list_pins() const { return list_pins_; }
  const std::vector<oci::Digest>& touched() const { return touched_; }
  std::uint64_t released_bytes() const { return released_bytes_; }
  const std::vector<oci::Digest>& first_pulls() const { return first_pulls_; }
  // The blob of each call of check_blob().
  const std::vector<oci::Digest>& checks() const { return checks_; }
  int verifications() const { return verifications_; }

  std::optional<cache::StoredBlob> open_blob(const oci::Digest& digest) override {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return std::nullopt;
    return cache::StoredBlob{found->second, found->second->bytes().size()};
  }

  std::optional<std::uint64_t> find_blob(const oci::Digest& digest) const override {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return std::nullopt;
    return found->second->bytes().size();
  }

  std::optional<cache::StoredManifest> find_manifest(const oci::Digest& digest) override {
    const auto found = manifests_.find(digest);
    if (found == manifests_.end()) return std::nullopt;
    return found->second;
  }

  Handle find_parts(const oci::Digest& root, const cache::PlatformChoice& choice,
                    std::function<void(Result<cache::ImageParts>)> done) override {
    ++parts_asked_;
    auto asker = std::make_unique<Droppable<Result<cache::ImageParts>>>(std::move(done));
    Result<cache::ImageParts> parts = cache::image_parts(*this, root, choice);
    if (auto error = take_failure(Step::kFindParts)) parts = *std::move(error);
    std::function<void()> answer = [parts, give = asker->call()] { give(parts); };
    const bool is_held = held_.contains(Step::kFindParts);
    is_held ? held_parts_.push_back(std::move(answer)) : later(std::move(answer));
    return asker;
  }
  std::optional<cache::StoredTag> find_tag(const cache::TagKey& key) override {
    const auto found = tags_.find(key);
    if (found == tags_.end()) return std::nullopt;
    return found->second;
  }

  std::vector<std::string> list_tags(const std::string& upstream,
                                     const std::string& repository) override {
    std::vector<std::string> names;
    for (const auto& [key, tag] : tags_) {
      if (key.upstream == upstream && key.repository == repository) names.push_back(key.tag);
    }
    return names;
  }

  void put_manifest(const oci::Digest& digest, cache::StoredManifest manifest, Done done) override {
    put(Step::kPutManifest, std::move(done), [this, digest, manifest = std::move(manifest)] {
      manifests_.insert_or_assign(digest, manifest);
    });
  }

  void put_tag(const cache::TagKey& key, const cache::StoredTag& tag, Done done) override {
    put(Step::kPutTag, std::move(done), [this, key, tag] { add_tag(key, tag); });
  }

  cache::GrantState grant_state(const oci::Digest& digest,
                                const cache::RepositoryKey& repository) const override {
    const auto found = grants_.find(digest);
    if (found == grants_.end()) return cache::GrantState::kPublic;
    return found->second.contains(repository) ? cache::GrantState::kGranted
                                              : cache::GrantState::kUnknown;
  }
  void grant(const oci::Digest& digest, const cache::RepositoryKey& repository) override {
    grants_[digest].insert(repository);
  }

  std::unique_ptr<cache::BlobWriter> write_blob(const oci::Digest& digest,
                                                cache::BlobWriterEvents& events) override {
    for (const Writer* writer : writers_) {
      if (writer->keeps() && writer->digest() == digest) {
        ADD_FAILURE() << "two writers of " << digest.str();
      }
    }
    ++writers_made_;
    return std::make_unique<Writer>(*this, digest, events);
  }

  cache::StoreUsage usage() const override {
    cache::StoreUsage usage = usage_;
    usage.blobs = blobs_.size();
    if (!blob_bytes_) {
      blob_bytes_ = 0;
      for (const auto& [digest, file] : blobs_) *blob_bytes_ += file->bytes().size();
    }
    usage.blob_bytes += *blob_bytes_;
    if (lifelike_) {
      for (const auto& [digest, file] : partials_) usage.partial_bytes += file->bytes().size();
    }
    usage.manifests = manifests_.size();
    usage.tags = tags_.size();
    return usage;
  }

  void touch_blob(const oci::Digest& digest) override { touched_.push_back(digest); }
  void note_first_pull(const oci::Digest& manifest) override { first_pulls_.push_back(manifest); }
  void touch_manifest(const oci::Digest& digest) override { touched_.push_back(digest); }

  void check_blob(const oci::Digest& digest) override { checks_.push_back(digest); }

  using cache::Store::evict;
  void evict(std::uint64_t bytes, const cache::Spare& spare,
             cache::Given<cache::EvictedSum> done) override {
    evictions_.push_back(bytes);
    spares_.push_back(spare);
    std::set<oci::Digest> kept;
    for (const oci::Digest& image : spare.images) {
      for (const auto& part : cache::image_parts(*this, image, {}).blobs) kept.insert(part.digest);
    }
    if (spare.used_since) {
      for (const auto& [digest, used_at] : used_at_) {
        if (used_at > *spare.used_since) kept.insert(digest);
      }
    }
    later([this, bytes, kept, alive = std::weak_ptr<bool>(alive_), done = std::move(done)] {
      if (alive.expired()) return;
      if (auto error = take_failure(Step::kEvict)) return done(*std::move(error));
      cache::EvictedSum sum;
      if (lifelike_) sum = evict_partials(bytes);
      for (auto next = evictable_.begin(); sum.blob_bytes < bytes && next != evictable_.end();) {
        const oci::Digest gone = *next;
        const auto at = blobs_.find(gone);
        if (kept.contains(gone)) {
          ++next;
          continue;
        }
        next = evictable_.erase(next);
        if (at == blobs_.end()) continue;
        ++sum.blobs;
        sum.blob_bytes += at->second->bytes().size();
        blobs_.erase(at);
        blob_bytes_.reset();
        forget_grants(gone);
      }
      usage_.disk_free_bytes += sum.blob_bytes;
      done(sum);
    });
  }
  Handle find_used(WallTime since, cache::Given<UsedBlobs> done) override {
    auto asker = std::make_unique<Droppable<Result<UsedBlobs>>>(std::move(done));
    UsedBlobs found;
    for (const auto& [digest, used_at] : used_at_) {
      const auto at = blobs_.find(digest);
      if (used_at > since && at != blobs_.end()) found[digest] = at->second->bytes().size();
    }
    const auto error = take_failure(Step::kFindUsed);
    later([found, error, give = asker->call()] {
      give(error ? Result<UsedBlobs>(*error) : Result<UsedBlobs>(found));
    });
    return asker;
  }
  void evict_image(const cache::TagKey& key, cache::Given<cache::EvictedSum> done) override {
    const bool there = tags_.contains(key);
    const bool pinned = pins_.contains(key);
    const bool listed = list_pins_.contains(key);
    if (there && !pinned && !listed) tags_.erase(key);
    later([there, pinned, listed, done = std::move(done)] {
      if (pinned) return done(Error{ErrorCode::kDenied, "it is pinned; unpin it first"});
      if (listed) return done(Error{ErrorCode::kDenied, "it is pinned by the prefetch list"});
      if (!there) return done(Error{ErrorCode::kNotFound, "it is not cached"});
      done(cache::EvictedSum{});
    });
  }
  void pin(const cache::TagKey& key, cache::Given<bool> done) override {
    const bool before = !pins_.insert(key).second;
    later([before, done = std::move(done)] { done(before); });
  }
  void unpin(const cache::TagKey& key, cache::Given<bool> done) override {
    const bool before = pins_.erase(key) > 0;
    later([before, done = std::move(done)] { done(before); });
  }
  void set_list_pins(std::vector<cache::TagKey> keys, Done done) override {
    put(Step::kListPins, std::move(done), [this, keys = std::move(keys)] {
      list_pins_ = {keys.begin(), keys.end()};
    });
  }
  void list_images(cache::Given<cache::Catalog> done) override {
    later([catalog = catalog_, done = std::move(done)] { done(catalog); });
  }
  cache::Catalog& catalog() { return catalog_; }
  void verify() override { ++verifications_; }
  cache::ScrubStatus scrub() const override { return {}; }

 private:
  using File = std::shared_ptr<FakeFile>;

  // Makes one step in each turn, so that a test can look between the steps.
  class Writer final : public cache::BlobWriter {
   public:
    Writer(FakeStore& store, oci::Digest digest, cache::BlobWriterEvents& events)
        : store_(store), digest_(std::move(digest)), events_(events) {
      store_.writers_.insert(this);
      kick();
    }
    ~Writer() override { store_.writers_.erase(this); }

    const oci::Digest& digest() const { return digest_; }
    bool keeps() const { return !unkept_; }
    std::shared_ptr<cache::BlobFile> file() const override { return file_; }
    std::uint64_t queued_bytes() const override {
      std::uint64_t bytes = 0;
      for (const Queued& queued : queue_) bytes += queued.bytes.size() + queued.written;
      return bytes;
    }
    void append(std::string_view bytes) override { queue({std::string(bytes), {}, 0}); }
    void write_ahead(std::uint64_t offset, std::string_view bytes) override {
      queue({std::string(bytes), offset, 0});
    }
    void append_written(std::uint64_t count) override { queue({"", {}, count}); }
    void stop_keeping() override { keep_ = false; }
    void release(std::uint64_t offset) override { store_.released_bytes_ = offset; }
    void finish() override {
      finishing_ = true;
      kick();
    }

    // Schedules another step().
    void kick() {
      if (scheduled_ || ended_) return;
      scheduled_ = true;
      store_.later([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) step();
      });
    }

   private:
    void step() {
      scheduled_ = false;
      if (!file_) return open();
      if (!queue_.empty()) return write();
      if (finishing_) return verified_ ? publish() : verify();
    }

    void open() {
      if (store_.held_.contains(Step::kOpen)) return;
      if (auto error = store_.take_failure(Step::kOpen)) {
        file_ = std::make_shared<FakeFile>();
        kick();
        events_.on_writer_ready(0, false);
        return pass_through(*error);
      }
      const auto published = store_.blobs_.find(digest_);
      published_before_ = published != store_.blobs_.end();
      if (published_before_) {
        file_ = published->second;
      } else {
        File& partial = store_.partials_[digest_];
        if (!partial) partial = std::make_shared<FakeFile>();
        file_ = partial;
      }
      kick();
      const bool whole =
          !file_->bytes().empty() && oci::Digest::of(file_->bytes(), digest_.kind()) == digest_;
      events_.on_writer_ready(file_->bytes().size(), whole);
    }

    void write() {
      if (store_.held_.contains(Step::kWrite)) return;
      auto error = store_.take_failure(Step::kWrite);
      if (!keep_) error = Error{ErrorCode::kNoSpace, "there is no room for it"};
      if (error && !unkept_) {
        kick();
        // The kept bytes stay in a separate partial file; readers go on with file_.
        store_.partials_[digest_] = make_file(file_->bytes());
        return pass_through(*error);
      }
      if (published_before_) return end(Error{ErrorCode::kCorrupt, "more bytes than the blob has"});
      const auto before = file_->bytes().size();
      const auto alive = std::weak_ptr<bool>(alive_);
      for (Queued& queued : std::exchange(queue_, {})) {
        if (queued.offset) {
          write_one_ahead(queued);
          if (alive.expired()) return;
          continue;
        }
        file_->append(queued.written > 0 ? take_ahead(queued.written) : queued.bytes);
      }
      kick();
      if (file_->bytes().size() > before) events_.on_written(file_->bytes().size());
    }

    // Bytes for the end of the blob, bytes ahead with their offset, or a number of bytes that were
    // written ahead.
    struct Queued {
      std::string bytes;
      std::optional<std::uint64_t> offset;
      std::uint64_t written = 0;
    };

    void queue(Queued queued) {
      queue_.push_back(std::move(queued));
      kick();
    }

    void write_one_ahead(const Queued& queued) {
      if (*queued.offset < file_->bytes().size()) ADD_FAILURE() << "ahead of nothing";
      auto error = store_.take_failure(Step::kWriteAhead);
      if (!keep_ || unkept_) error = Error{ErrorCode::kNoSpace, "no bytes ahead"};
      if (error) return events_.on_ahead_failed(*error);
      file_->write_ahead(*queued.offset, queued.bytes);
      for (std::size_t i = 0; i < queued.bytes.size(); ++i) {
        ahead_[*queued.offset + i] = queued.bytes[i];
      }
      events_.on_written_ahead(*queued.offset, *queued.offset + queued.bytes.size());
    }
    std::string take_ahead(std::uint64_t count) {
      std::string bytes;
      for (std::uint64_t at = file_->bytes().size(); bytes.size() < count; ++at) {
        const auto found = ahead_.find(at);
        if (found == ahead_.end()) ADD_FAILURE() << "byte " << at << " was not written ahead";
        bytes += found == ahead_.end() ? '?' : found->second;
      }
      return bytes;
    }

    void verify() {
      if (blocked(Step::kVerify)) return;
      if (oci::Digest::of(file_->bytes(), digest_.kind()) != digest_) {
        store_.partials_.erase(digest_);
        return end(Error{ErrorCode::kCorrupt, "the bytes are not those of " + digest_.str()});
      }
      verified_ = true;
      ended_ = unkept_;
      kick();
      events_.on_verified();  // May destroy this writer.
    }

    void publish() {
      if (blocked(Step::kPublish)) return;
      store_.partials_.erase(digest_);
      store_.blobs_[digest_] = file_;
      store_.blob_bytes_.reset();
      if (store_.lifelike_) store_.evictable_.push_back(digest_);
      ended_ = true;
      events_.on_published();  // May destroy this writer.
    }

    // Returns whether `step` is held or fails now.
    bool blocked(Step step) {
      if (store_.held_.contains(step)) return true;
      std::optional<Error> error = store_.take_failure(step);
      if (!error) return false;
      if (step == Step::kVerify) store_.partials_.erase(digest_);
      end(std::move(*error));
      return true;
    }

    void pass_through(const Error& reason) {
      unkept_ = true;
      events_.on_unkept(reason);
    }

    void end(Error error) {
      ended_ = true;
      events_.on_writer_error(std::move(error));  // May destroy this writer.
    }

    FakeStore& store_;
    const oci::Digest digest_;
    cache::BlobWriterEvents& events_;
    File file_;
    std::vector<Queued> queue_;
    std::map<std::uint64_t, char> ahead_;
    bool published_before_ = false;
    bool keep_ = true;
    bool unkept_ = false;
    bool finishing_ = false;
    bool verified_ = false;
    bool scheduled_ = false;
    bool ended_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };

  struct Put {
    Step step;
    Done done;
    std::function<void()> apply;
  };
  struct Failure {
    Error error;
    int times = 0;
  };

  static File make_file(const std::string& bytes) {
    auto file = std::make_shared<FakeFile>();
    file->append(bytes);
    return file;
  }

  void put(Step step, Done done, std::function<void()> apply) {
    puts_.push_back({step, std::move(done), std::move(apply)});
    kick_puts();
  }

  void kick_puts() {
    later([this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) run_puts();
    });
  }

  // Runs puts in order. The puts after a held put wait too.
  void run_puts() {
    while (!puts_.empty() && !held_.contains(puts_.front().step)) {
      const Put put = std::move(puts_.front());
      puts_.pop_front();
      const std::optional<Error> error = take_failure(put.step);
      if (!error) put.apply();
      if (put.done) put.done(error ? Status(*error) : Status());
    }
  }

  cache::EvictedSum evict_partials(std::uint64_t bytes) {
    cache::EvictedSum sum;
    for (auto at = partials_.begin(); at != partials_.end() && sum.blob_bytes < bytes;) {
      const bool written = std::any_of(writers_.begin(), writers_.end(), [&](const Writer* writer) {
        return writer->digest() == at->first;
      });
      if (written) {
        ++at;
        continue;
      }
      ++sum.blobs;
      sum.blob_bytes += at->second->bytes().size();
      at = partials_.erase(at);
    }
    return sum;
  }

  void forget_grants(const oci::Digest& digest) {
    if (!blobs_.contains(digest) && !manifests_.contains(digest)) grants_.erase(digest);
  }

  std::optional<Error> take_failure(Step step) {
    const auto found = failures_.find(step);
    if (found == failures_.end() || found->second.times == 0) return std::nullopt;
    --found->second.times;
    return found->second.error;
  }

  void later(std::function<void()> call) {
    if (timers_ != nullptr) return timers_->defer(std::move(call));
    pending_.push_back(std::move(call));
  }

  Timers* timers_ = nullptr;
  std::deque<std::function<void()>> pending_;
  std::map<oci::Digest, File> blobs_;
  mutable std::optional<std::uint64_t> blob_bytes_;  // The bytes of blobs_, if they are counted.
  std::map<oci::Digest, File> partials_;
  std::map<oci::Digest, cache::StoredManifest> manifests_;
  std::map<cache::TagKey, cache::StoredTag> tags_;
  std::map<oci::Digest, std::set<cache::RepositoryKey>> grants_;
  std::deque<Put> puts_;
  std::vector<std::function<void()>> held_parts_;  // Answers of find_parts().
  std::map<Step, Failure> failures_;
  std::set<Step> held_;
  std::set<cache::TagKey> pins_;
  std::set<cache::TagKey> list_pins_;
  std::set<Writer*> writers_;
  int writers_made_ = 0;
  int parts_asked_ = 0;
  int verifications_ = 0;
  cache::Catalog catalog_;
  std::vector<std::uint64_t> evictions_;
  std::vector<oci::Digest> evictable_;
  std::map<oci::Digest, WallTime> used_at_;
  std::vector<cache::Spare> spares_;
  std::vector<oci::Digest> touched_;
  std::vector<oci::Digest> checks_;
  std::vector<oci::Digest> first_pulls_;
  std::uint64_t released_bytes_ = 0;
  bool lifelike_ = false;
  cache::StoreUsage usage_{.disk_free_bytes = 1ull << 40, .disk_total_bytes = 1ull << 41};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_FAKE_STORE_H_
