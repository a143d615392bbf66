// SPDX-License-Identifier: Apache-2.0
//
// When a reader leaves while readers are being told, its place becomes null, so that the loop
// over the places can go on. The null places are erased after the loop.

#include "cache/fill_readers.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::cache {

class FillReaders::Reader final : public BlobReader {
 public:
  Reader(FillReaders& readers, std::shared_ptr<BlobFile> file, std::uint64_t size_bytes,
         bool joined, std::shared_ptr<FillClients::Stay> stay)
      : readers_(&readers),
        file_(std::move(file)),
        size_bytes_(size_bytes),
        joined_(joined),
        stay_(std::move(stay)) {
    assert(file_);
  }
  ~Reader() override {
    if (readers_ != nullptr) readers_->leave(this);
  }

  BlobPart part_at(std::uint64_t offset) const override { return file_->part_at(offset); }
  void consumed(std::uint64_t offset) override {
    assert(position_ <= offset && offset <= size_bytes_);
    position_ = offset;
    if (readers_ != nullptr) readers_->source_.on_consumed();
  }
  void will_read(std::uint64_t first, std::uint64_t end) override {
    assert(first <= end && end <= size_bytes_);
    end_ = end;
    consumed(first);
    takes_last_ = readers_ != nullptr && readers_->source_.on_want(first, end);
  }
  bool revoked() const override { return false; }
  std::uint64_t size_bytes() const override { return size_bytes_; }
  std::uint64_t readable_bytes() const override {
    if (readers_ == nullptr) return readable_bytes_;
    return readers_->source_.readable_from(position_, takes_last_);
  }
  bool from_fill() const override { return true; }
  bool spares_link() const override { return joined_; }
  void listen(Listener* listener) override { listener_ = listener; }

  std::uint64_t position() const { return position_; }
  BlobSpan want() const { return {position_, end_.value_or(size_bytes_)}; }
  void go_on_in(std::shared_ptr<BlobFile> file) {
    assert(file);
    file_ = std::move(file);
  }
  void on_progress() {
    if (listener_ != nullptr) listener_->on_readable();
  }
  void on_dismissed(const Status& status, std::uint64_t readable_bytes) {
    assert(readers_ != nullptr && readable_bytes <= size_bytes_);
    readers_ = nullptr;
    readable_bytes_ = readable_bytes;
    if (!status.ok() && listener_ != nullptr) listener_->on_reader_failed(status.error());
  }

 private:
  FillReaders* readers_;  // Null after on_dismissed().
  std::shared_ptr<BlobFile> file_;
  const std::uint64_t size_bytes_;
  const bool joined_;  // Another reader came before.
  const std::shared_ptr<FillClients::Stay> stay_;
  std::uint64_t readable_bytes_ = 0;  // Only for a dismissed reader.
  std::uint64_t position_ = 0;
  std::optional<std::uint64_t> end_;
  bool takes_last_ = false;
  Listener* listener_ = nullptr;
};

FillReaders::~FillReaders() { assert(!telling_ && readers_.empty()); }

std::unique_ptr<BlobReader> FillReaders::add(std::shared_ptr<BlobFile> file,
                                             std::uint64_t size_bytes,
                                             std::shared_ptr<FillClients::Stay> stay) {
  auto reader =
      std::make_unique<Reader>(*this, std::move(file), size_bytes, joined_, std::move(stay));
  joined_ = true;
  readers_.push_back(reader.get());
  return reader;
}

int FillReaders::count() const {
  return static_cast<int>(std::count_if(readers_.begin(), readers_.end(),
                                        [](const Reader* reader) { return reader != nullptr; }));
}

std::optional<std::uint64_t> FillReaders::slowest() const {
  std::optional<std::uint64_t> slowest;
  for (const Reader* reader : readers_) {
    if (reader == nullptr) continue;
    slowest = std::min(slowest.value_or(reader->position()), reader->position());
  }
  return slowest;
}

std::vector<BlobSpan> FillReaders::wants() const {
  std::vector<BlobSpan> wants;
  for (const Reader* reader : readers_) {
    if (reader != nullptr) wants.push_back(reader->want());
  }
  return wants;
}

// `call` may add readers, which moves the places in memory. So each place is looked up anew.
template <typename Call>
void FillReaders::for_each(Call call) {
  const bool outermost = !std::exchange(telling_, true);
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (readers_[i] != nullptr) call(readers_[i]);
  }
  if (!outermost) return;
  telling_ = false;
  std::erase(readers_, nullptr);
}

void FillReaders::go_on_in(const std::shared_ptr<BlobFile>& file) {
  for_each([&](Reader* reader) { reader->go_on_in(file); });
}

void FillReaders::tell() {
  if (telling_) return;
  for_each([](Reader* reader) { reader->on_progress(); });
}

void FillReaders::dismiss(const Status& status, std::uint64_t readable_bytes) {
  for_each(
      [&](Reader*& place) { std::exchange(place, nullptr)->on_dismissed(status, readable_bytes); });
}

void FillReaders::leave(const Reader* reader) {
  const auto at = std::find(readers_.begin(), readers_.end(), reader);
  assert(at != readers_.end());
  if (at == readers_.end()) return;
  if (telling_) {
    *at = nullptr;
  } else {
    readers_.erase(at);
  }
  source_.on_consumed();
}

}  // namespace layby::cache
