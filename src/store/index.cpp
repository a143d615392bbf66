// SPDX-License-Identifier: Apache-2.0
//
// Opens the environment and its tables, sets a damaged index aside, and begins and commits
// transactions. LMDB runs in its default mode: a read-only map, pwrite, and one fdatasync for each
// commit, so a full disk is an error code and not a SIGBUS. Invariants: read_txn_ and every
// transaction end before env_ closes, and env_ is replaced only while open_mutex_ is locked.

#include "store/index.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "layby/base/log.h"
#include "store/disk_error.h"
#include "store/folder_sync.h"

namespace layby::store {
namespace {

constexpr std::string_view kVersionKey = "format";
constexpr std::string_view kTotalsKey = "totals";
constexpr MDB_dbi kMaxTables = 16;

// LMDB found its own structure damaged, or refuses to go on after a failed write.
bool is_damage(int code) {
  switch (code) {
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
    case MDB_BAD_TXN:  // An earlier call in the transaction found damage.
      return true;
    default:
      return false;
  }
}

// Whether the process has `bytes` of free address space.
bool can_map(std::uint64_t bytes) {
  void* map = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return false;
  ::munmap(map, bytes);
  return true;
}

}  // namespace

Result<std::unique_ptr<Index>> Index::open(const std::string& directory, std::uint64_t map_bytes,
                                           unsigned max_readers) {
  std::unique_ptr<Index> index(new Index(directory, map_bytes, max_readers));
  if (Status opened = index->open_or_set_aside(); !opened) return opened.error();
  return index;
}

Index::~Index() = default;

Status Index::open_or_set_aside() {
  Status opened = open_now();
  if (opened.ok() || opened.error().code != ErrorCode::kCorrupt) return opened;
  return make_anew(opened.error());
}

// On a full disk the damaged index is deleted to make room for the new index.
Status Index::make_anew(const Error& reason) {
  if (Status moved = set_aside(reason); !moved) return moved;
  Status opened = open_now();
  if (opened.ok() || opened.error().code != ErrorCode::kNoSpace) return opened;
  close();
  ::unlink(path("damaged.mdb").c_str());
  ::unlink(path("data.mdb").c_str());
  return open_now();
}

Status Index::open_now() {
  needs_recovery_ = false;
  damage_reported_ = false;
  unwritable_.reset();
  if (Status known = begin_checking(); !known) return known;
  if (Status opened = open_env(0); !opened) return opened;
  if (Status whole = check_whole(); !whole) return whole;
  if (Status tables = open_tables(0); !tables) return tables;
  if (needs_rebuild_) {  // The name data.mdb may be new, and LMDB syncs no names.
    if (Status synced = sync_folder(directory_); !synced) return synced;
  }
  if (Status sound = end_checking(); !sound) return sound;
  return migrate(found_version_);
}

Status Index::open_read_only() {
  close();
  if (Status opened = open_env(MDB_RDONLY); !opened) return opened;
  if (Status whole = check_whole(); !whole) return whole;
  return open_tables(MDB_RDONLY);
}

void Index::close() {
  has_grants_ = true;
  read_txn_.reset();
  env_.reset();
}

Status Index::recover() {
  log::error("opening the index {} again", directory_);
  const std::unique_lock lock(open_mutex_);
  const bool damaged = damage_reported_;
  close();
  const Error reason{ErrorCode::kCorrupt, "the index " + directory_ + " is damaged"};
  Status opened = damaged ? make_anew(reason) : open_or_set_aside();
  if (opened.ok() && ledger_) restore_ledger(false);
  if (opened.ok()) return opened;
  if (Status readable = open_read_only(); !readable) close();
  unwritable_ = opened.error();
  needs_recovery_ = true;
  damage_reported_ = damaged;
  return opened;
}

// Keeps only the last damaged index, for people who look for the cause.
Status Index::set_aside(const Error& reason) {
  close();
  log::error("{}; setting it aside as {} and making a new index from the blob files",
             reason.message, path("damaged.mdb"));
  const std::string from = path("data.mdb");
  const std::string to = path("damaged.mdb");
  if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
    return disk_error("set aside", from, errno);
  }
  ++generation_;
  ::unlink(path("lock.mdb").c_str());  // This lock belongs to the index that was set aside.
  ::unlink(path("checking").c_str());
  ::unlink(path("suspect").c_str());
  return {};
}

Status Index::open_env(unsigned flags) {
  assert(!env_ && !read_txn_);
  MDB_env* env = nullptr;
  if (const int code = mdb_env_create(&env)) return error("open the index", code);
  env_.reset(env);
  if (const int code = mdb_env_set_mapsize(env, map_bytes_)) {
    return error("set the size of the index", code);
  }
  if (const int code = mdb_env_set_maxdbs(env, kMaxTables)) {
    return error("set the tables of the index", code);
  }
  if (const int code = mdb_env_set_maxreaders(env, max_readers_)) {
    return error("set the readers of the index", code);
  }
  if (int code = mdb_env_open(env, directory_.c_str(), MDB_NOTLS | flags, 0640)) {
    // A damaged length in the file makes LMDB ask for a map larger than the address space.
    if (code == ENOMEM && can_map(map_bytes_)) code = MDB_CORRUPTED;
    return error("open the index", code);
  }
  // The reader slots of a killed process would keep LMDB from ever reusing old pages.
  if (const int code = mdb_reader_check(env, nullptr)) return error("check the index", code);
  return {};
}

// Checks the length of the file, since reading a page beyond its end would be a SIGBUS.
Status Index::check_whole() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  if (const int code = mdb_env_info(env_.get(), &info)) return error("read the index", code);
  if (const int code = mdb_env_stat(env_.get(), &stat)) return error("read the index", code);
  const std::string file_path = path("data.mdb");
  struct stat file {};
  if (::stat(file_path.c_str(), &file) != 0) return error("read the index", errno);
  const bool used = stat.ms_entries != 0;
  const auto needed = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  if (used && static_cast<std::uint64_t>(file.st_size) < needed) {
    return error("open the index", MDB_CORRUPTED);
  }
  return {};
}

// With MDB_RDONLY the tables must exist; without MDB_RDONLY, missing tables are made.
Status Index::open_tables(unsigned flags) {
  Result<TxnPtr> txn = begin(flags);
  if (!txn) return std::move(txn).error();
  const std::pair<const char*, MDB_dbi*> names[] = {
      {"meta", &tables_.meta},           {"blobs", &tables_.blobs},
      {"manifests", &tables_.manifests}, {"tags", &tables_.tags},
      {"usage", &tables_.usage},         {"ranks", &tables_.ranks},
      {"pins", &tables_.pins},           {"list_pins", &tables_.list_pins},
      {"trash", &tables_.trash},         {"grants", &tables_.grants},
      {"origins", &tables_.origins}};
  // The version is checked after `meta` is opened, before a table of an unknown version is touched.
  for (const auto& [name, table] : names) {
    if (const int code = mdb_dbi_open(txn->get(), name, flags == 0 ? MDB_CREATE : 0, table)) {
      return error("open a table of the index", code);
    }
    if (table != &tables_.meta) continue;
    if (Status version = check_version(txn->get()); !version) return version;
  }
  Result<Counts> counts = read_counts(txn->get());
  if (!counts) return std::move(counts).error();
  Result<std::optional<std::string_view>> rebuild = get(txn->get(), tables_.meta, kRebuildNote);
  if (!rebuild) return std::move(rebuild).error();
  needs_rebuild_ = rebuild->has_value();
  Result<std::optional<std::string_view>> grants_note = get(txn->get(), tables_.meta, kGrantsNote);
  if (!grants_note) return std::move(grants_note).error();
  knows_all_grants_ = grants_note->has_value();
  MDB_stat grants{};
  if (const int code = mdb_stat(txn->get(), tables_.grants, &grants)) {
    return error("read a table of the index", code);
  }
  has_grants_ = grants.ms_entries > 0;
  if (const int code = mdb_txn_commit(txn->release())) return error("create the index", code);
  {
    const std::lock_guard lock(mutex_);
    counts_ = *counts;
  }
  Result<TxnPtr> reader = begin(MDB_RDONLY);
  if (!reader) return std::move(reader).error();
  mdb_txn_reset(reader->get());
  read_txn_ = *std::move(reader);
  return {};
}

// A new index gets the notes for a rebuild, since blob files and a ledger may exist already.
Status Index::check_version(MDB_txn* txn) {
  Result<std::optional<std::string_view>> value = get(txn, tables_.meta, kVersionKey);
  if (!value) return std::move(value).error();
  if (!value->has_value()) {
    found_version_ = kFormatVersion;
    const std::string mine = encode_version(kFormatVersion);
    MDB_val key = to_val(kVersionKey);
    MDB_val data = to_val(mine);
    int code = mdb_put(txn, tables_.meta, &key, &data, 0);
    key = to_val(kRebuildNote);
    data = to_val("");
    if (code == 0) code = mdb_put(txn, tables_.meta, &key, &data, 0);
    key = to_val(kRestoreNote);
    data = to_val("");
    if (code == 0) code = mdb_put(txn, tables_.meta, &key, &data, 0);
    return code == 0 ? Status() : Status(error("create the index", code));
  }
  Result<std::uint32_t> version = decode_version(**value);
  if (!version) return std::move(version).error();
  found_version_ = *version;
  if (*version >= kOldestVersion && *version <= kFormatVersion) return {};
  return Error{ErrorCode::kInvalid,
               "the index " + directory_ + " has format " + std::to_string(*version) +
                   ", and this layby knows formats " + std::to_string(kOldestVersion) + " to " +
                   std::to_string(kFormatVersion) +
                   "; run the layby that wrote it, or give this one another data_dir"};
}

Result<TxnPtr> Index::begin(unsigned flags) {
  MDB_txn* txn = nullptr;
  if (!env_) return Error{ErrorCode::kIo, "the index " + directory_ + " is closed"};
  if (const int code = mdb_txn_begin(env_.get(), nullptr, flags, &txn)) {
    return error("begin a transaction in the index", code);
  }
  return TxnPtr(txn);
}

Result<std::optional<std::string_view>> Index::get(MDB_txn* txn, MDB_dbi table,
                                                   std::string_view key) {
  MDB_val wanted = to_val(key);
  MDB_val found{};
  const int code = mdb_get(txn, table, &wanted, &found);
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>();
  if (code != 0) return error("look up in the index", code);
  return std::optional(to_view(found));
}

Result<Totals> Index::read_totals(MDB_txn* txn) {
  Result<std::optional<std::string_view>> value = get(txn, tables_.meta, kTotalsKey);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return Totals{};
  return decode_totals(**value);
}

Result<Counts> Index::read_counts(MDB_txn* txn) {
  Result<Totals> totals = read_totals(txn);
  if (!totals) return std::move(totals).error();
  MDB_stat manifests{};
  MDB_stat tags{};
  MDB_envinfo info{};
  int code = mdb_stat(txn, tables_.manifests, &manifests);
  if (code == 0) code = mdb_stat(txn, tables_.tags, &tags);
  if (code == 0) code = mdb_env_info(env_.get(), &info);
  if (code != 0) return error("count the entries of the index", code);
  return Counts{*totals, manifests.ms_entries, tags.ms_entries,
                (std::uint64_t{info.me_last_pgno} + 1) * manifests.ms_psize};
}

Error Index::error(const char* what, int code) const {
  if (is_damage(code)) needs_recovery_ = true;
  if (is_damage(code) && code != MDB_PANIC) damage_reported_ = true;
  return lmdb_error(what, directory_, code);
}

Result<ReadTxn> Index::read() {
  std::shared_lock open(open_mutex_);
  if (!read_txn_) return Error{ErrorCode::kIo, "the index " + directory_ + " is closed"};
  if (const int code = mdb_txn_renew(read_txn_.get())) {
    assert(code != EINVAL);  // EINVAL: an earlier read() is still open.
    return error("read the index", code);
  }
  return ReadTxn(*this, std::move(open), read_txn_.get());
}

Result<ReadTxn> Index::snapshot() { return begin_read(std::shared_lock(open_mutex_)); }

Result<ReadTxn> Index::begin_read(std::shared_lock<std::shared_mutex> open) {
  Result<TxnPtr> txn = begin(MDB_RDONLY);
  if (!txn) return std::move(txn).error();
  return ReadTxn(*this, std::move(open), *std::move(txn));
}

Result<WriteTxn> Index::write() { return begin_write(std::shared_lock(open_mutex_)); }

Result<WriteTxn> Index::begin_write(std::shared_lock<std::shared_mutex> open) {
  if (unwritable_) return *unwritable_;
  Result<TxnPtr> txn = begin(0);
  if (!txn) return std::move(txn).error();
  Result<Totals> totals = read_totals(txn->get());
  if (!totals) return std::move(totals).error();
  return WriteTxn(*this, std::move(open), *std::move(txn), *totals);
}

Counts Index::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// Writes the totals only if they changed: each written page costs a disk write.
Status WriteTxn::put_totals() {
  if (totals_ == totals_before_) return {};
  return put(index_.tables_.meta, kTotalsKey, encode(totals_), "write totals to the index");
}

Status WriteTxn::commit() {
  assert(own_);
  if (Status kept = put_totals(); !kept) return kept;
  if (Status logged = log_changes(); !logged) return logged;
  Result<Counts> counts = index_.read_counts(txn_);
  if (!counts) return std::move(counts).error();
  if (const int code = mdb_txn_commit(own_.release())) {
    return index_.error("commit to the index", code);
  }
  const std::lock_guard lock(index_.mutex_);
  index_.counts_ = *counts;
  return {};
}

}  // namespace layby::store
