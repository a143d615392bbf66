// SPDX-License-Identifier: Apache-2.0
//
// The jobs are: open, write a few blocks at a time, then verify, publish and commit. A block is
// hashed and written to the end of the partial file, or written to the file ahead. A failure of
// the disk before verifying sends the later bytes to memory, and the writing goes on. Any other
// failure ends the writing and is reported once.

#include "store/blob_writer.h"

#include <atomic>
#include <cassert>
#include <functional>
#include <optional>
#include <utility>

#include "store/ahead_file.h"
#include "store/fill_file.h"
#include "store/write_queue.h"

namespace layby::store {
namespace {

// The number of blocks of one blob that a helper thread writes before turning to other work.
constexpr int kTurnBlocks = 4;

}  // namespace

class DiskBlobWriter::Jobs : public std::enable_shared_from_this<Jobs> {
 public:
  Jobs(std::shared_ptr<Core> core, std::shared_ptr<DigestLane> lane, const oci::Digest& digest,
       std::optional<std::uint64_t> indexed_bytes, DiskBlobWriter& writer, Lifetime::Watch watch)
      : core_(std::move(core)),
        lane_(std::move(lane)),
        digest_(digest),
        writer_(writer),
        watch_(std::move(watch)),
        file_(core_->files, digest, indexed_bytes, stopped_) {}
  ~Jobs();

  // The loop thread calls these functions.
  void open() { submit(&Jobs::run_open); }
  void append(std::string_view bytes) {
    if (queue_.push(bytes)) submit_after_grants(&Jobs::run_write);
  }
  void write_ahead(std::uint64_t offset, std::string_view bytes) {
    if (queue_.push_ahead(offset, bytes)) submit_after_grants(&Jobs::run_write);
  }
  void append_written(std::uint64_t count) {
    if (queue_.push_written(count)) submit_after_grants(&Jobs::run_write);
  }
  bool has_open() const { return queue_.has_open(); }
  void flush() {
    if (queue_.flush()) submit_after_grants(&Jobs::run_write);
  }
  // Calls `then` at the next turn of the loop.
  void defer(std::function<void()> then) { core_->loop.defer(std::move(then)); }
  // Readers read the bytes below `front` no more in the file ahead.
  void pass(std::uint64_t front) { front_ = front; }
  void finish(WallTime now) {
    flush();
    submit_after_grants([now](Jobs& self) { self.run_finish(now); });
  }
  void stop_keeping() { keep_ = false; }
  void stop() { stopped_ = true; }

 private:
  void submit(std::function<void(Jobs&)> job);
  void submit_after_grants(std::function<void(Jobs&)> job);
  void run_open();
  void run_write();
  void run_finish(WallTime now);
  void commit(WallTime now);
  Status put_record(WriteTxn& txn, const BlobRecord& record);
  bool write_next();
  Status write_end(WriteQueue::Block& block);
  Status write(std::string_view bytes);
  void write_ahead(WriteQueue::Block block);
  Status write_to_ahead_file(const WriteQueue::Block& block);
  void tell_unkept();
  void tell(std::function<void(DiskBlobWriter&)> call);
  void fail(Error error);

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<DigestLane> lane_;
  const oci::Digest digest_;
  // Jobs use the writer on the loop thread only, and only while the writer lives.
  DiskBlobWriter& writer_;
  const Lifetime::Watch watch_;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> keep_ = true;
  std::atomic<std::uint64_t> front_ = 0;
  WriteQueue queue_;
  // The members below are used only by jobs in the lane, and by the destructor.
  FillFile file_;
  std::atomic<int>* users_ = nullptr;  // The lane's user count that includes this writer.
  std::shared_ptr<AheadFile> ahead_;   // Null before the first bytes ahead.
  bool ahead_failed_ = false;
  bool failed_ = false;
  bool unkept_told_ = false;
};

void DiskBlobWriter::Jobs::submit(std::function<void(Jobs&)> job) {
  lane_->lane.submit([self = shared_from_this(), job = std::move(job)] {
    if (!self->failed_ && !self->stopped_) job(*self);
  });
}

// The bytes of a private blob reach the disk after their grants. Otherwise a power cut could leave
// a partial file that counts as public. Commits run in order, so an empty commit ends after the
// grants. When the index can't be written, the grants are valid while the process runs.
void DiskBlobWriter::Jobs::submit_after_grants(std::function<void(Jobs&)> job) {
  if (lane_->grants_under_way == 0) return submit(std::move(job));
  core_->commits->add([](WriteTxn&) { return Status(); },
                      [self = shared_from_this(), job = std::move(job)](const Status&) {
                        if (!self->watch_.ended()) self->submit(job);
                      });
}

DiskBlobWriter::Jobs::~Jobs() {
  if (users_ == nullptr) return;
  [[maybe_unused]] const int left = --*users_;
  assert(left >= 0);
}

void DiskBlobWriter::Jobs::run_open() {
  assert(users_ == nullptr);
  if (Status opened = file_.open(); !opened) return fail(std::move(opened).error());
  users_ = file_.uses_published() ? &lane_->published_users : &lane_->partial_users;
  ++*users_;
  auto file = std::make_shared<GrowingFile>(file_.file(), file_.tail());
  tell([file, kept = file_.size_bytes(), whole = file_.is_whole()](DiskBlobWriter& writer) {
    writer.on_ready(file, kept, whole);
  });
  tell_unkept();
}

void DiskBlobWriter::Jobs::run_write() {
  for (int blocks = 0; blocks < kTurnBlocks; ++blocks) {
    if (!write_next()) return;
  }
  submit(&Jobs::run_write);
}

// Returns false when there is nothing to write or writing has ended.
bool DiskBlobWriter::Jobs::write_next() {
  std::optional<WriteQueue::Block> block = queue_.pop();
  if (!block || failed_ || stopped_) return false;
  assert(users_ != nullptr);  // run_open() has run, since stopped_ isn't set.
  if (block->place == WriteQueue::Place::kAhead) {
    write_ahead(*std::move(block));
    return true;
  }
  const std::uint64_t before = file_.size_bytes();
  const std::uint64_t on_disk_before = file_.disk_bytes_written();
  Status written = write_end(*block);
  assert(!written.ok() || file_.size_bytes() == before + block->bytes().size());
  queue_.give_back(*std::move(block));
  count(core_->counters.store_bytes_written, file_.disk_bytes_written() - on_disk_before);
  if (!written) {
    fail(std::move(written).error());
    return false;
  }
  tell_unkept();
  tell([disk = file_.file(), bytes = file_.size_bytes() - before, total = file_.size_bytes()](
           DiskBlobWriter& writer) { writer.on_block(disk, bytes, total); });
  return true;
}

Status DiskBlobWriter::Jobs::write_end(WriteQueue::Block& block) {
  if (block.place == WriteQueue::Place::kWritten) {
    assert(ahead_);
    if (Status got = ahead_->read(block.data(), block.size(), file_.size_bytes()); !got) return got;
    ahead_->release(front_);
  }
  return write(block.bytes());
}

// Lost bytes ahead cost only another request, so they end nothing.
void DiskBlobWriter::Jobs::write_ahead(WriteQueue::Block block) {
  const std::uint64_t bytes = block.size();
  const Status written = write_to_ahead_file(block);
  ahead_failed_ = !written.ok();
  const std::uint64_t offset = block.offset;
  queue_.give_back(std::move(block));
  if (written.ok()) {
    return tell([ahead = ahead_, offset, bytes](DiskBlobWriter& writer) {
      writer.on_ahead(ahead, offset, bytes);
    });
  }
  tell([bytes, reason = written.error()](DiskBlobWriter& writer) {
    writer.on_ahead_failed(bytes, reason);
  });
}

Status DiskBlobWriter::Jobs::write_to_ahead_file(const WriteQueue::Block& block) {
  assert(block.offset >= file_.size_bytes());
  if (ahead_failed_ || !keep_ || file_.tail() || file_.uses_published()) {
    return Error{ErrorCode::kNoSpace, "the writer takes no bytes ahead"};
  }
  if (!ahead_) {
    auto made = AheadFile::make(core_->files.partial_folder());
    if (!made) return std::move(made).error();
    ahead_ = *std::move(made);
  }
  return ahead_->write(block.bytes(), block.offset);
}

Status DiskBlobWriter::Jobs::write(std::string_view bytes) {
  if (!keep_) {
    Status turned = file_.stop_keeping({ErrorCode::kNoSpace, "there is no room for it"});
    if (!turned) return turned;
  }
  return file_.write(bytes);
}

// Called before a written block is reported, so that on_unkept() comes before the on_written() of
// the first byte in memory.
void DiskBlobWriter::Jobs::tell_unkept() {
  if (!file_.tail() || unkept_told_) return;
  unkept_told_ = true;
  if (keep_) count(core_->counters.store_errors);
  tell([tail = file_.tail(), reason = file_.unkept_reason()](DiskBlobWriter& writer) {
    writer.on_unkept(tail, reason);
  });
}

// After the digest has matched, publishing runs to its end even if the writer is destroyed.
void DiskBlobWriter::Jobs::run_finish(WallTime now) {
  // A run_write() that has used up its turn is queued after this job, so this job writes the
  // remaining bytes.
  while (write_next()) {
  }
  if (failed_ || stopped_) return;
  assert(users_ != nullptr);
  if (Status verified = file_.verify(); !verified) return fail(std::move(verified).error());
  tell([](DiskBlobWriter& writer) {
    if (writer.file_) writer.file_->end_ahead();
    writer.events_.on_verified();
  });
  if (file_.tail()) return;
  if (Status published = file_.publish(); !published) return fail(std::move(published).error());
  commit(now);
}

void DiskBlobWriter::Jobs::commit(WallTime now) {
  assert(!file_.tail());
  const BlobRecord record{file_.size_bytes(), now};
  // The entry keeps this object and its lane alive, so that a later writer uses the same lane.
  CommitQueue::Entry entry;
  entry.write = [self = shared_from_this(), record](WriteTxn& txn) {
    return self->put_record(txn, record);
  };
  entry.committed = [self = shared_from_this()] {
    self->lane_->lane.submit([self] { self->file_.settle(); });
  };
  entry.done = [&writer = writer_, watch = watch_](const Status& committed) {
    if (watch.ended()) return;
    if (committed.ok()) return writer.events_.on_published();
    writer.events_.on_writer_error(committed.error());
  };
  core_->commits->add(std::move(entry));
}

Status DiskBlobWriter::Jobs::put_record(WriteTxn& txn, const BlobRecord& record) {
  if (Status put = txn.put_blob(digest_, record); !put) return put;
  if (core_->anything_may_be_private()) {
    if (Status marked = txn.mark_private(digest_); !marked) return marked;
  }
  return lane_->grants.put(txn, digest_);
}

void DiskBlobWriter::Jobs::tell(std::function<void(DiskBlobWriter&)> call) {
  core_->loop.post([&writer = writer_, watch = watch_, call = std::move(call)] {
    if (!watch.ended()) call(writer);
  });
}

void DiskBlobWriter::Jobs::fail(Error error) {
  assert(!failed_);
  failed_ = true;
  if (error.code == ErrorCode::kCancelled) return;
  if (error.code != ErrorCode::kCorrupt) count(core_->counters.store_errors);
  tell([error = std::move(error)](DiskBlobWriter& writer) {
    writer.events_.on_writer_error(error);
  });
}

DiskBlobWriter::DiskBlobWriter(std::shared_ptr<Core> core, std::shared_ptr<DigestLane> lane,
                               const oci::Digest& digest,
                               std::optional<std::uint64_t> indexed_bytes, const Clock& clock,
                               cache::BlobWriterEvents& events)
    : events_(events),
      clock_(clock),
      jobs_(std::make_shared<Jobs>(std::move(core), std::move(lane), digest, indexed_bytes, *this,
                                   life_.watch())) {
  jobs_->open();
}

DiskBlobWriter::~DiskBlobWriter() { jobs_->stop(); }

void DiskBlobWriter::append(std::string_view bytes) {
  if (bytes.empty()) return;
  queued_bytes_ += bytes.size();
  jobs_->append(bytes);
  flush_soon();
}

// Within a turn of the loop, upstream sends many small pieces. They become one block.
void DiskBlobWriter::flush_soon() {
  if (!jobs_->has_open() || std::exchange(flushing_, true)) return;
  jobs_->defer([this, watch = life_.watch()] {
    if (watch.ended()) return;
    flushing_ = false;
    jobs_->flush();
  });
}

void DiskBlobWriter::write_ahead(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  queued_bytes_ += bytes.size();
  jobs_->write_ahead(offset, bytes);
}

void DiskBlobWriter::append_written(std::uint64_t count) {
  if (count == 0) return;
  queued_bytes_ += count;
  jobs_->append_written(count);
}

void DiskBlobWriter::stop_keeping() { jobs_->stop_keeping(); }

void DiskBlobWriter::release(std::uint64_t offset) {
  if (file_) file_->release(offset);
}

void DiskBlobWriter::finish() { jobs_->finish(clock_.wall_now()); }

void DiskBlobWriter::on_ready(std::shared_ptr<GrowingFile> file, std::uint64_t kept_bytes,
                              bool whole) {
  assert(!file_);
  file_ = std::move(file);
  file_->set_front(kept_bytes);
  jobs_->pass(kept_bytes);
  events_.on_writer_ready(kept_bytes, whole);
}

void DiskBlobWriter::on_unkept(std::shared_ptr<MemoryTail> tail, const Error& reason) {
  assert(file_);
  file_->go_on_in(std::move(tail));
  events_.on_unkept(reason);
}

void DiskBlobWriter::on_ahead(std::shared_ptr<cache::BlobFile> ahead, std::uint64_t offset,
                              std::uint64_t bytes) {
  assert(file_ && bytes <= queued_bytes_);
  file_->begin_ahead(std::move(ahead));
  queued_bytes_ -= bytes;
  events_.on_written_ahead(offset, offset + bytes);
}

void DiskBlobWriter::on_ahead_failed(std::uint64_t bytes, const Error& reason) {
  assert(bytes <= queued_bytes_);
  queued_bytes_ -= bytes;
  events_.on_ahead_failed(reason);
}

void DiskBlobWriter::on_block(std::shared_ptr<cache::BlobFile> disk, std::uint64_t block_bytes,
                              std::uint64_t total_bytes) {
  assert(file_ && block_bytes <= queued_bytes_);
  file_->begin(std::move(disk));
  file_->set_front(total_bytes);
  jobs_->pass(total_bytes);
  queued_bytes_ -= block_bytes;
  events_.on_written(total_bytes);
}

}  // namespace layby::store
