// SPDX-License-Identifier: Apache-2.0
//
// Owners of LMDB's handles, and the conversion of LMDB's return codes to Errors. Only src/store
// includes lmdb_ptr.h.

#ifndef LAYBY_STORE_LMDB_PTR_H_
#define LAYBY_STORE_LMDB_PTR_H_

#include <lmdb.h>

#include <memory>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::store {

struct CloseEnv {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
struct AbortTxn {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
struct CloseCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};

using EnvPtr = std::unique_ptr<MDB_env, CloseEnv>;
using TxnPtr = std::unique_ptr<MDB_txn, AbortTxn>;
using CursorPtr = std::unique_ptr<MDB_cursor, CloseCursor>;

inline MDB_val to_val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};  // LMDB doesn't write to key or data.
}
inline std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

// The Error for a return code other than MDB_SUCCESS, with advice. `what` names the failed action.
// `path` is the folder of the index. LMDB reports a short write as EIO; the free space in `path`
// then shows whether the disk is full or broken.
Error lmdb_error(const std::string& what, const std::string& path, int code);

}  // namespace layby::store

#endif  // LAYBY_STORE_LMDB_PTR_H_
