// SPDX-License-Identifier: Apache-2.0
//
// Keeps the ledger beside the index. The changes of a commit are appended to the ledger before the
// commit, and the commit notes in `meta` where the ledger ends. If the ledger doesn't end at the
// noted place when the index is opened, the ledger is written anew from the index. The ledger ends
// elsewhere after a crash between appending and commit, after a power cut that lost the last pages
// of the ledger, and after a failed write. A new index has the note `restore` until the index has
// the content of the ledger; until then the ledger isn't written anew.

#include <array>
#include <cassert>
#include <string>
#include <utility>

#include "layby/base/log.h"
#include "store/index.h"

namespace layby::store {
namespace {

// The most changes that one transaction makes while a ledger is read. LMDB keeps the changed pages
// of a transaction in RAM.
constexpr std::size_t kReplayBatch = 1000;
constexpr std::size_t kReplayBatchBytes = 8 << 20;

// The number of commits between a failure to write the ledger and the next try.
constexpr int kPause = 1000;

constexpr std::array kLogged = {LedgerTable::kManifests, LedgerTable::kTags,
                                LedgerTable::kPins,      LedgerTable::kListPins,
                                LedgerTable::kGrants,    LedgerTable::kOrigins};

MDB_dbi table_of(const Tables& tables, LedgerTable table) {
  switch (table) {
    case LedgerTable::kManifests:
      return tables.manifests;
    case LedgerTable::kTags:
      return tables.tags;
    case LedgerTable::kPins:
      return tables.pins;
    case LedgerTable::kListPins:
      return tables.list_pins;
    case LedgerTable::kGrants:
      return tables.grants;
    case LedgerTable::kOrigins:
      return tables.origins;
  }
  return 0;
}

// Whether layby could have written an entry with this key and value.
bool is_sound(const Change& change) {
  switch (change.table) {
    case LedgerTable::kManifests: {
      const Result<oci::Digest> digest = decode_digest_key(change.key);
      if (!digest || change.erased) return digest.ok();
      const Result<ManifestRecord> record = decode_manifest(change.value);
      return record && oci::Digest::of(record->bytes, digest->kind()) == *digest;
    }
    case LedgerTable::kTags:
      return change.key.size() > kTagPrefixBytes && (change.erased || decode_tag(change.value));
    case LedgerTable::kPins:
    case LedgerTable::kListPins:
      return change.key.size() > kTagPrefixBytes && (change.erased || decode_pin(change.value));
    case LedgerTable::kGrants:
      return change.value.empty();
    case LedgerTable::kOrigins:
      return decode_digest_key(change.key) && (change.erased || decode_pin(change.value));
  }
  return false;
}

}  // namespace

void WriteTxn::note_change(MDB_dbi table, bool erased, std::string_view key,
                           std::string_view value) {
  if (!index_.ledger_ || !is_logged_) return;
  has_new_grants_ |= table == index_.tables_.grants && !erased;
  for (const LedgerTable logged : kLogged) {
    if (table_of(index_.tables_, logged) == table) changes_ += encode({logged, erased, key, value});
  }
}

// A failure of the ledger must not fail the commit. If the commit has erased the note of the
// ledger, the next opening of the index writes the ledger anew.
Status WriteTxn::log_changes() {
  if (changes_.empty() || !index_.ledger_) return {};
  Ledger& ledger = *index_.ledger_;
  if (!ledger.whole() && !index_.restoring_) return erase_note(Index::kLedgerNote);
  const bool was_whole = ledger.whole();
  const Status appended = ledger.append(changes_, has_new_grants_);
  if (!appended && was_whole) {
    log::error("the ledger of the index isn't kept: {}; layby tries again later",
               appended.error().message);
  }
  if (ledger.whole()) return put_note(Index::kLedgerNote, ledger.note());
  return erase_note(Index::kLedgerNote);
}

// Unlike erase_manifest(), apply() keeps the grants, because the blobs of the grants come back
// later.
Status WriteTxn::apply(const Change& change) {
  const MDB_dbi table = table_of(index_.tables_, change.table);
  if (change.table == LedgerTable::kGrants && !change.erased) index_.has_grants_ = true;
  const bool is_manifest = change.table == LedgerTable::kManifests;
  if (is_manifest && !change.erased) {
    const Result<ManifestRecord> record = decode_manifest(change.value);
    assert(record.ok());
    return put_manifest(*decode_digest_key(change.key), *record);
  }
  if (is_manifest) {
    if (Status subtracted = subtract_manifest(change.key); !subtracted) return subtracted;
    Status gone = erase_usage({ContentKind::kManifest, *decode_digest_key(change.key)});
    if (!gone) return gone;
  }
  if (change.erased) return erase(table, change.key, "write to the index");
  return put_here(table, change.key, change.value, "write to the index");
}

void Index::keep_ledger(const std::string& data_dir) {
  assert(!ledger_);
  ledger_ = std::make_unique<Ledger>(data_dir);
  restore_ledger(true);
}

void Index::restore_ledger(bool after_start) {
  ledger_pause_ = 0;
  Status done = ledger_->open();
  if (done.ok()) {
    const Result<bool> resumed = resume_ledger(after_start);
    if (!resumed) {
      done = resumed.error();
    } else if (!*resumed) {
      if (restoring_) done = replay_ledger();
      if (done.ok()) done = rewrite_ledger({});
    }
  }
  if (done.ok()) return;
  ledger_pause_ = kPause;
  log::error("the ledger of the index can't be {}: {}", restoring_ ? "read" : "kept",
             done.error().message);
}

// Returns true if the ledger is whole and nothing must be done.
Result<bool> Index::resume_ledger(bool after_start) {
  const Result<ReadTxn> txn = begin_read({});
  if (!txn) return txn.error();
  const auto restore = txn->find_note(kRestoreNote);
  if (!restore) return restore.error();
  restoring_ = restore->has_value();
  if (restoring_) return false;
  const auto note = txn->find_note(kLedgerNote);
  if (!note) return note.error();
  return note->has_value() && ledger_->resume(**note, after_start);
}

// After an interruption, the replay begins again at the next opening. A change that is made twice
// does no harm.
Status Index::replay_ledger() {
  std::optional<WriteTxn> batch;
  std::size_t changes = 0;
  std::size_t batch_bytes = 0;
  const auto commit = [&]() -> Status {
    Status committed = batch ? batch->commit() : Status();
    batch.reset();
    batch_bytes = 0;
    return committed;
  };
  const auto open_batch = [&]() -> Status {
    if (batch) return {};
    Result<WriteTxn> txn = begin_write({});
    if (!txn) return std::move(txn).error();
    batch.emplace(*std::move(txn));
    batch->is_logged_ = false;
    return {};
  };
  const Result<bool> complete = ledger_->read([&](const Change& change) -> Status {
    if (!is_sound(change)) return {};
    if (Status opened = open_batch(); !opened) return opened;
    if (Status applied = batch->apply(change); !applied) return applied;
    batch_bytes += change.value.size();
    const bool full = ++changes % kReplayBatch == 0 || batch_bytes >= kReplayBatchBytes;
    return full ? commit() : Status();
  });
  if (!complete) return complete.error();
  if (Status opened = open_batch(); !opened) return opened;
  if (*complete) {
    if (Status noted = batch->put_note(kGrantsNote, ""); !noted) return noted;
  }
  if (Status erased = batch->erase_note(kRestoreNote); !erased) return erased;
  if (Status committed = commit(); !committed) return committed;
  knows_all_grants_ = *complete;
  restoring_ = false;
  if (changes > 0) log::info("the index has its tags, manifests, pins and grants again");
  return {};
}

Status Index::write_ledger(const ReadTxn& txn) {
  return ledger_->rewrite([&](const Ledger::Write& write) -> Status {
    for (const LedgerTable table : kLogged) {
      Status written;
      const Status read =
          txn.scan(table_of(tables_, table), "", [&](std::string_view key, std::string_view value) {
            written = write(encode({table, false, key, value}));
            return written.ok();
          });
      if (!read || !written) return read ? written : read;
    }
    return {};
  });
}

// Only the commit lane writes to the index, so the index doesn't change between the read
// transaction and the note.
Status Index::rewrite_ledger(std::shared_lock<std::shared_mutex> open) {
  assert(!restoring_);
  const bool locks = open.owns_lock();
  {
    const Result<ReadTxn> txn = begin_read(std::move(open));
    if (!txn) return txn.error();
    if (Status written = write_ledger(*txn); !written) return written;
  }
  Result<WriteTxn> txn =
      begin_write(locks ? std::shared_lock(open_mutex_) : std::shared_lock<std::shared_mutex>());
  if (!txn) return std::move(txn).error();
  if (Status noted = txn->put_note(kLedgerNote, ledger_->note()); !noted) return noted;
  return txn->commit();
}

void Index::tend_ledger() {
  if (!ledger_ || restoring_ || (ledger_->whole() && !ledger_->is_long())) return;
  if (ledger_pause_ > 0) {
    --ledger_pause_;
    return;
  }
  if (needs_recovery_) return;
  Status written = rewrite_ledger(std::shared_lock(open_mutex_));
  if (written.ok()) return;
  ledger_pause_ = kPause;
  log::error("the ledger of the index can't be written: {}", written.error().message);
}

}  // namespace layby::store
