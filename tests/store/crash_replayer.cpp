// SPDX-License-Identifier: Apache-2.0
//
// Power cuts at several moments may leave equal disks. A store finds the same content on equal
// disks, so a store is opened on only one of these disks. The claims depend on the moment of the
// cut, and are checked for each cut.

#include "store/crash_replayer.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <functional>
#include <string_view>

namespace layby::testing {
namespace {

namespace fs = std::filesystem;
using Kind = DiskOp::Kind;

std::size_t hash_of(const DiskImage& image) {
  std::size_t sum = 0;
  const auto add = [&sum](std::string_view text) {
    sum = sum * 1'099'511'628'211u + std::hash<std::string_view>()(text);
  };
  for (const std::string& name : image.folders) add(name);
  std::map<int, std::string_view> first_names;
  for (const auto& [name, file] : image.names) {
    const auto [known, is_new] = first_names.emplace(file, name);
    add(name);
    add(is_new ? std::string_view(image.files.at(file)) : known->second);
  }
  return sum;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += " " + name;
  return text;
}

// The first difference, in words. A rebuild may find a blob that the index didn't know.
std::string difference(const Values& before, const Values& after) {
  for (const auto& [name, value] : before) {
    const auto now = after.find(name);
    if (value == kGone && name.starts_with("blob ")) continue;
    if (now == after.end() || now->second != value) {
      return name + " was " + value + " and is " + (now == after.end() ? kGone : now->second);
    }
  }
  return "";
}

}  // namespace

std::string CrashReplayer::run(std::size_t draws) {
  const std::vector<std::size_t> ends = crash_points(scenario_.recording, 10, false);
  return run_points(ends, draws, [this](const CrashPoint& point) {
    Loss loss = point.loss(random_() % 4 == 0);
    loss.zeros = random_() % 2 == 0;
    return try_loss(point, loss);
  });
}

std::string CrashReplayer::run_long(std::size_t draws) {
  const std::vector<std::size_t> ends = crash_points(scenario_.recording, 3, true);
  return run_points(ends, draws, [this](const CrashPoint& point) {
    return try_all_or_none(point) && try_singles(point);
  });
}

template <typename TryPoint>
std::string CrashReplayer::run_points(const std::vector<std::size_t>& ends, std::size_t draws,
                                      TryPoint try_point) {
  const FastDisk fast;
  for (const std::size_t end : ends) {
    if (!try_point(CrashPoint(scenario_.recording, end, order_))) return broken_;
  }
  std::uniform_int_distribution<std::size_t> which(0, ends.size() - 1);
  for (std::size_t i = 0; i < draws; ++i) {
    const CrashPoint point(scenario_.recording, ends[which(random_)], order_);
    if (point.loose() > 0 && !try_draw(point)) return broken_;
  }
  return "";
}

bool CrashReplayer::try_all_or_none(const CrashPoint& point) {
  Loss zeros = point.loss(false);
  zeros.zeros = true;
  return try_loss(point, point.loss(true)) && try_loss(point, point.loss(false)) &&
         try_loss(point, zeros);
}

bool CrashReplayer::try_singles(const CrashPoint& point) {
  for (std::size_t i = 0; i < point.loose(); ++i) {
    if (!try_loss(point, point.only(i, false)) || !try_loss(point, point.only(i, true))) {
      return false;
    }
    for (const std::size_t sector : {512u, 4096u}) {
      for (const bool front : {true, false}) {
        const auto torn = point.torn(i, sector, front, random_);
        if (torn && !try_loss(point, *torn)) return false;
      }
    }
  }
  return true;
}

// Draws one loss of any kind.
bool CrashReplayer::try_draw(const CrashPoint& point) {
  const std::size_t which =
      std::uniform_int_distribution<std::size_t>(0, point.loose() - 1)(random_);
  const int kind = std::uniform_int_distribution<int>(0, 4)(random_);
  if (kind == 0) return try_loss(point, point.only(which, false));
  if (kind == 1) return try_loss(point, point.only(which, true));
  if (kind == 2) {
    const bool small = std::uniform_int_distribution<int>(0, 1)(random_) == 0;
    const auto torn = point.torn(which, small ? 512 : 4096, random_() % 2 == 0, random_);
    if (torn) return try_loss(point, *torn);
  }
  return try_loss(point, point.random(random_));
}

bool CrashReplayer::try_loss(const CrashPoint& point, const Loss& loss) {
  ++cuts_;
  const DiskImage image = point.image(loss);
  std::string broken = this->broken(image, point.end());
  const std::size_t losses = scenario_.index_losses;
  if (broken.empty() && losses > 0 && hash_of(image) % losses == 0) {
    broken = broken_without_index(image, point.end());
  }
  if (broken.empty()) return true;
  broken_ = broken + "\n" + point.describe(loss);
  return false;
}

std::string CrashReplayer::broken(const DiskImage& image, std::size_t end) {
  const Sight& sight = look(image);
  if (!sight.trouble.empty()) return sight.trouble;
  return scenario_.claims.broken(sight.values, end, end);
}

// The index is lost in the same cut. FORMAT.md promises the blobs, the privacy, and all changes up
// to the last sync of the ledger. An evicted blob may be found again.
std::string CrashReplayer::broken_without_index(DiskImage image, std::size_t end) {
  std::erase_if(image.names, [](const auto& entry) { return entry.first.starts_with("index/"); });
  const Sight& sight = look(image);
  if (!sight.trouble.empty()) return "without an index: " + sight.trouble;
  const auto may_be = [](const std::string& name, const std::string& value) {
    return value == "granted to nobody" || (name.starts_with("blob ") && value == "there");
  };
  std::string broken = scenario_.claims.broken(sight.values, ledger_synced_at(end), end, may_be);
  return broken.empty() ? "" : "without an index: " + broken;
}

// The number of operations after which the ledger was last made durable: its bytes, or its name
// after it was written anew. Content that was acknowledged before this sync is in the ledger.
std::size_t CrashReplayer::ledger_synced_at(std::size_t end) const {
  const auto& names = scenario_.recording.before.names;
  int file = names.contains("ledger/changes") ? names.at("ledger/changes") : -1;
  std::size_t renamed_at = 0;
  std::size_t durable = 0;
  for (std::size_t i = 0; i < end; ++i) {
    const DiskOp& op = scenario_.recording.ops[i];
    if (op.kind == Kind::kRename && op.name == "ledger/changes") {
      file = op.file;
      renamed_at = i;
    }
    if (op.kind == Kind::kSyncFolder && op.name.empty()) durable = std::max(durable, renamed_at);
    if (op.kind == Kind::kSyncFile && op.file == file) durable = i;
  }
  return durable;
}

const CrashReplayer::Sight& CrashReplayer::look(const DiskImage& image) {
  const std::size_t hash = hash_of(image);
  const auto [known, is_new] = seen_.try_emplace(hash);
  if (is_new) known->second = look_now(image, hash % 3);
  return known->second;
}

CrashReplayer::Sight CrashReplayer::look_now(const DiskImage& image, std::size_t kind) const {
  fs::remove_all(folder_);
  image.build(folder_);
  Sight sight;
  {
    CrashStore store(folder_);
    store.may_leave(may_leave());
    if (!store.failure().empty()) return {store.failure(), {}};
    if (!store.settle()) return {"left for ever:" + listed(store.leftovers(false)), {}};
    sight.values = store.values(scenario_.known);
    if (store.damaged_blobs() > 0 && !scenario_.is_damaged)
      return {"a published blob is damaged", {}};
    sight.trouble = look_at_partials(store, kind == 0);
  }
  if (sight.trouble.empty() && kind == 1) sight.trouble = look_a_day_later();
  if (sight.trouble.empty() && kind == 2) sight.trouble = lose_index(sight.values);
  return sight;
}

// A partial file is as private as its blob, and the next fill continues or repairs the file.
std::string CrashReplayer::look_at_partials(CrashStore& store, bool refill) const {
  for (const oci::Digest& digest : store.partials()) {
    const bool is_private = scenario_.known.private_digests.contains(digest);
    const auto state = store.store().grant_state(digest, KnownContent::other());
    if (is_private && state == cache::GrantState::kPublic) {
      return "the partial file " + digest.str() + " counts as public";
    }
    if (!refill) continue;
    std::string trouble = store.refill(scenario_.known.blobs.at(digest));
    if (!trouble.empty()) return trouble;
  }
  return "";
}

std::string CrashReplayer::look_a_day_later() const {
  CrashStore store(folder_, std::chrono::hours(25));
  store.may_leave(may_leave());
  if (!store.failure().empty()) return "a day later: " + store.failure();
  const bool gone = store.turn_until([&store] { return store.leftovers(true).empty(); });
  return gone ? "" : "left for ever:" + listed(store.leftovers(true));
}

// The ledger is whole after each start, so a later loss of the index alone loses nothing.
std::string CrashReplayer::lose_index(const Values& before) const {
  fs::remove_all(folder_ + "/index");
  CrashStore store(folder_);
  store.may_leave(may_leave());
  if (!store.failure().empty()) return "after a later loss of the index: " + store.failure();
  store.settle();
  const std::string lost = difference(before, store.values(scenario_.known));
  return lost.empty() ? "" : "after a later loss of the index: " + lost;
}

}  // namespace layby::testing
