// SPDX-License-Identifier: Apache-2.0
//
// An image is made by applying the operations in order, without the lost operations.

#include "store/crash_states.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::testing {
namespace {

using Kind = DiskOp::Kind;

// The syncs that come after an operation.
struct Later {
  std::set<int> files;
  std::set<std::size_t> writes;
  std::set<std::string> folders;
  bool names = false;  // With kInOrder: a later name is durable, so all earlier names are.

  void add(const DiskOp& op) {
    if (op.kind == Kind::kSyncFile) files.insert(op.file);
    if (op.kind == Kind::kSyncWrite) writes.insert(op.at);
    if (op.kind == Kind::kSyncFolder) folders.insert(op.name);
  }
  bool has_name(const DiskOp& op) const {
    return names || folders.contains(folder_of(op.name)) ||
           (!op.from.empty() && folders.contains(folder_of(op.from)));
  }
};

bool has_folder(const DiskImage& image, const std::string& name) {
  const std::string folder = folder_of(name);
  return folder.empty() || image.folders.contains(folder);
}

void put_bytes(std::string& file, std::uint64_t at, std::string_view bytes) {
  if (file.size() < at + bytes.size()) file.resize(at + bytes.size());
  file.replace(at, bytes.size(), bytes);
}

std::size_t below(std::mt19937& random, std::size_t limit) {
  return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

}  // namespace

CrashPoint::CrashPoint(const Recording& recording, std::size_t end, NameOrder order)
    : recording_(recording), end_(end), order_(order), base_(recording.before) {
  find_loose();
  const std::size_t first = loose_.empty() ? end_ : loose_.front();
  for (std::size_t i = 0; i < first; ++i) apply(recording_.ops[i], base_);
}

void CrashPoint::find_loose() {
  Later later;
  for (std::size_t i = end_; i-- > 0;) {
    const DiskOp& op = recording_.ops[i];
    if (op.is_sync()) {
      later.add(op);
      continue;
    }
    const bool synced = op.is_name() ? later.has_name(op)
                                     : later.files.contains(op.file) || later.writes.contains(i);
    if (!synced) loose_.push_back(i);
    if (synced && op.is_name() && order_ == NameOrder::kInOrder) later.names = true;
  }
  std::reverse(loose_.begin(), loose_.end());
}

bool CrashPoint::is_loose_name(std::size_t which) const {
  return recording_.ops[loose_[which]].is_name();
}

// With kInOrder, all names after a lost name are lost too.
void CrashPoint::put_in_order(Loss& loss) const {
  if (order_ == NameOrder::kAny) return;
  bool lost = false;
  for (std::size_t i = 0; i < loose_.size(); ++i) {
    if (!is_loose_name(i)) continue;
    lost |= !loss.kept[i];
    loss.kept[i] = !lost;
  }
}

Loss CrashPoint::only(std::size_t which, bool kept) const {
  Loss loss = this->loss(!kept);
  loss.kept[which] = kept;
  const bool needs_earlier = kept && is_loose_name(which) && order_ == NameOrder::kInOrder;
  for (std::size_t i = 0; needs_earlier && i < which; ++i) loss.kept[i] = is_loose_name(i);
  put_in_order(loss);
  return loss;
}

std::optional<Loss> CrashPoint::torn(std::size_t which, std::size_t sector, bool front,
                                     std::mt19937& random) const {
  const DiskOp& op = recording_.ops[loose_[which]];
  if (op.kind != Kind::kWrite) return std::nullopt;
  const std::size_t first = sector - op.at % sector;
  if (first >= op.bytes.size()) return std::nullopt;
  const std::size_t places = (op.bytes.size() - first - 1) / sector + 1;
  const std::size_t cut = first + below(random, places) * sector;
  Loss loss = this->loss(true);
  loss.torn = front ? Torn{which, 0, cut} : Torn{which, cut, op.bytes.size()};
  loss.zeros = below(random, 2) == 0;
  return loss;
}

Loss CrashPoint::random(std::mt19937& random) const {
  Loss loss = this->loss(true);
  const std::size_t odds = 1 + below(random, 9);  // How many of ten operations are lost.
  for (std::size_t i = 0; i < loose_.size(); ++i) loss.kept[i] = below(random, 10) >= odds;
  if (!loose_.empty()) {
    const std::size_t sector = below(random, 2) == 0 ? 512 : 4096;
    const auto some = torn(below(random, loose_.size()), sector, below(random, 2) == 0, random);
    if (some) loss.torn = some->torn;
  }
  loss.zeros = below(random, 3) == 0;
  put_in_order(loss);
  return loss;
}

void CrashPoint::apply(const DiskOp& op, DiskImage& image) const {
  switch (op.kind) {
    case Kind::kMakeFolder:
      if (has_folder(image, op.name)) image.folders.insert(op.name);
      return;
    case Kind::kRemoveFolder:
      image.folders.erase(op.name);
      return;
    case Kind::kUnlink:
      image.names.erase(op.name);
      return;
    case Kind::kRename:
      image.names.erase(op.from);
      [[fallthrough]];
    case Kind::kCreate:
    case Kind::kLink:
      image.files.try_emplace(op.file);
      if (has_folder(image, op.name)) image.names[op.name] = op.file;
      return;
    case Kind::kWrite:
      return put_bytes(image.files[op.file], op.at, op.bytes);
    case Kind::kResize:
      return image.files[op.file].resize(op.at);
    default:
      return;
  }
}

DiskImage CrashPoint::image(const Loss& loss) const {
  assert(loss.kept.size() == loose_.size());
  DiskImage image = base_;
  std::size_t next = 0;
  for (std::size_t i = loose_.empty() ? end_ : loose_.front(); i < end_; ++i) {
    const DiskOp& op = recording_.ops[i];
    const bool is_loose = next < loose_.size() && loose_[next] == i;
    const std::size_t which = is_loose ? next++ : 0;
    const bool is_torn = is_loose && loss.torn && loss.torn->loose == which;
    if (!is_torn && (!is_loose || loss.kept[which])) {
      apply(op, image);
      continue;
    }
    if (op.kind != Kind::kWrite) continue;
    std::string& file = image.files[op.file];
    if (is_torn) {
      const auto [_, from, to] = *loss.torn;
      put_bytes(file, op.at + from, std::string_view(op.bytes).substr(from, to - from));
    }
    if (loss.zeros) file.resize(std::max<std::size_t>(file.size(), op.at + op.bytes.size()));
  }
  return image;
}

std::string CrashPoint::describe(const Loss& loss) const {
  std::string text = "power cut after " + std::to_string(end_) + " operations";
  if (end_ > 0) text += ", the last was \"" + to_string(recording_.ops[end_ - 1]) + "\"";
  text += order_ == NameOrder::kInOrder ? ", names in order" : ", names in any order";
  text += loss.zeros ? ", zeros for lost bytes; lost:" : "; lost:";
  for (std::size_t i = 0; i < loose_.size(); ++i) {
    const bool is_torn = loss.torn && loss.torn->loose == i;
    if (loss.kept[i] && !is_torn) continue;
    text += "\n  " + std::to_string(loose_[i]) + ": " + to_string(recording_.ops[loose_[i]]);
    if (is_torn) {
      text += ", except bytes " + std::to_string(loss.torn->from) + " to " +
              std::to_string(loss.torn->to);
    }
  }
  return text;
}

std::vector<std::size_t> crash_points(const Recording& recording, std::size_t step,
                                      bool after_too) {
  std::set<std::size_t> points{0, recording.ops.size()};
  for (std::size_t i = 0; i < recording.ops.size(); ++i) {
    const bool is_sync = recording.ops[i].is_sync();
    if (is_sync || i % step == 0) points.insert(i);
    if (is_sync && after_too) points.insert(i + 1);
  }
  return {points.begin(), points.end()};
}

}  // namespace layby::testing
