// SPDX-License-Identifier: Apache-2.0
//
// The table `grants` says which repositories may serve private content. A digest with at least one
// entry in `grants` is private. A digest keeps its entries in `grants` while it has an entry in
// blobs, manifests or trash.

#include <utility>
#include <vector>

#include "store/index.h"

namespace layby::store {

Result<cache::GrantState> Txn::find_grant_state(const oci::Digest& digest,
                                                const cache::RepositoryKey& repository) const {
  const std::string prefix = digest_key(digest);
  cache::GrantState access = cache::GrantState::kPublic;
  const Status read =
      scan(index_.tables_.grants, prefix, [&](std::string_view key, std::string_view) {
        if (!key.starts_with(prefix)) return false;
        access = cache::GrantState::kUnknown;
        return false;
      });
  if (!read) return read.error();
  if (access == cache::GrantState::kPublic) return access;
  auto value = index_.get(txn_, index_.tables_.grants, grant_key(digest, repository));
  if (!value) return std::move(value).error();
  return value->has_value() ? cache::GrantState::kGranted : access;
}

Status WriteTxn::put_grant(const oci::Digest& digest, const cache::RepositoryKey& repository) {
  return put_grant_at(grant_key(digest, repository));
}

Status WriteTxn::mark_private(const oci::Digest& digest) {
  return put_grant_at(private_key(digest));
}

Status WriteTxn::put_grant_at(const std::string& key) {
  index_.has_grants_ = true;
  auto value = index_.get(txn_, index_.tables_.grants, key);
  if (!value) return std::move(value).error();
  if (value->has_value()) return {};
  return put(index_.tables_.grants, key, "", "write a grant to the index");
}

Status WriteTxn::erase_stray_grants(const oci::Digest& digest) {
  const std::string prefix = digest_key(digest);
  for (const MDB_dbi table :
       {index_.tables_.blobs, index_.tables_.manifests, index_.tables_.trash}) {
    auto value = index_.get(txn_, table, prefix);
    if (!value) return std::move(value).error();
    if (value->has_value()) return {};
  }
  std::vector<std::string> keys;
  Status read = scan(index_.tables_.grants, prefix, [&](std::string_view key, std::string_view) {
    if (!key.starts_with(prefix)) return false;
    keys.emplace_back(key);
    return true;
  });
  if (!read) return read;
  for (const std::string& key : keys) {
    Status gone = erase(index_.tables_.grants, key, "erase a grant from the index");
    if (!gone) return gone;
  }
  return {};
}

}  // namespace layby::store
