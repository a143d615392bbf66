// SPDX-License-Identifier: Apache-2.0
//
// Errors for LMDB's return codes. LMDB defines the negative codes; positive codes are errno values.

#include <sys/statvfs.h>

#include <cerrno>
#include <cstdint>

#include "store/disk_error.h"
#include "store/lmdb_ptr.h"

namespace layby::store {
namespace {

bool is_full(const std::string& path) {
  constexpr std::uint64_t kTooLittleBytes = 256 * 1024;
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return false;
  return std::uint64_t{info.f_bavail} * info.f_frsize < kTooLittleBytes;
}

const char* lmdb_advice_for(int code) {
  switch (code) {
    case MDB_MAP_FULL:
      return "the index has reached its largest size; remove images that aren't needed";
    case MDB_PANIC:
      return "an earlier write failed; look for disk errors in the kernel's log";
    case MDB_VERSION_MISMATCH:
      return "another LMDB version wrote it";
    case MDB_READERS_FULL:
    case MDB_BAD_RSLOT:
      return "this is a fault in layby; please report it";
    default:
      return "it is damaged, or layby didn't write it";
  }
}

ErrorCode code_for(int code) {
  switch (code) {
    case MDB_MAP_FULL:
      return ErrorCode::kNoSpace;
    case MDB_PANIC:
    case MDB_READERS_FULL:
    case MDB_BAD_RSLOT:
      return ErrorCode::kIo;
    default:
      return ErrorCode::kCorrupt;
  }
}

}  // namespace

Error lmdb_error(const std::string& what, const std::string& path, int code) {
  if (code == EIO && is_full(path)) code = ENOSPC;
  if (code > 0) return disk_error(what, path, code);
  return {code_for(code),
          what + " " + path + ": " + mdb_strerror(code) + "; " + lmdb_advice_for(code)};
}

}  // namespace layby::store
