// SPDX-License-Identifier: Apache-2.0
//
// Makes a data_dir whose index has very many blobs, with the store's own code. Blobs are
// added in the order of their numbers, so their digests come in random order. Only the first
// FILES blobs have files. The files are sparse and have the right size, which is enough for
// lookups and takes little space. Every twentieth blob has a manifest with a tag.
//
//   make_index DATA_DIR BLOBS FILES

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "bench/scale_blobs.h"
#include "layby/base/fd.h"
#include "layby/store/disk_store.h"
#include "store/blob_files.h"
#include "store/index.h"

namespace layby::bench {
namespace {

constexpr std::uint64_t kBatch = 10'000;  // Blobs in a commit.
constexpr std::uint64_t kBlobsPerManifest = 20;
constexpr std::size_t kManifestBytes = 1'500;
constexpr std::uint64_t kTagsPerRepository = 50;

Status put_manifest(store::WriteTxn& txn, std::uint64_t number, WallTime now) {
  std::string bytes = "manifest " + std::to_string(number);
  bytes.resize(kManifestBytes, ' ');
  const oci::Digest digest = oci::Digest::of(bytes);
  const store::ManifestRecord record{now, "application/vnd.oci.image.manifest.v1+json", bytes};
  if (Status put = txn.put_manifest(digest, record); !put) return put;
  const cache::TagKey key{"docker.io", "library/r" + std::to_string(number / kTagsPerRepository),
                          "t" + std::to_string(number % kTagsPerRepository)};
  return txn.put_tag(key, {digest, now});
}

Status put_batch(store::Index& index, std::uint64_t begin, std::uint64_t end) {
  Result<store::WriteTxn> txn = index.write();
  if (!txn) return std::move(txn).error();
  // A day old, so that no blob counts as part of a pull under way.
  const WallTime now = std::chrono::system_clock::now() - std::chrono::hours(24);
  for (std::uint64_t number = begin; number < end; ++number) {
    store::BlobRecord record;
    record.size_bytes = size_of_number(number);
    record.published_at = now;
    if (Status put = txn->put_blob(digest_of_number(number), record); !put) return put;
    if (number % kBlobsPerManifest != 0) continue;
    if (Status put = put_manifest(*txn, number / kBlobsPerManifest, now); !put) return put;
  }
  return txn->commit();
}

Status make_index(const std::string& data_dir, std::uint64_t blobs) {
  const std::string directory = data_dir + "/index";
  if (Status made = make_directories(directory); !made) return made;
  auto index = store::Index::open(directory, store::Options{}.index_map_bytes);
  if (!index) return index.error();
  for (std::uint64_t begin = 0; begin < blobs; begin += kBatch) {
    if (Status put = put_batch(**index, begin, std::min(blobs, begin + kBatch)); !put) return put;
  }
  // The index is complete, so no daemon has to rebuild it from the files.
  Result<store::WriteTxn> txn = (*index)->write();
  if (!txn) return std::move(txn).error();
  if (Status erased = txn->erase_note(store::Index::kRebuildNote); !erased) return erased;
  return txn->commit();
}

Status make_files(const std::string& data_dir, std::uint64_t count) {
  store::BlobFiles files(data_dir);
  if (Status prepared = files.prepare(); !prepared) return prepared;
  for (std::uint64_t number = 0; number < count; ++number) {
    const std::string path = files.published_path(digest_of_number(number));
    if (Status made = make_directories(path.substr(0, path.rfind('/'))); !made) return made;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
    if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size_of_number(number))) != 0) {
      return Error{ErrorCode::kIo, "can't make " + path};
    }
  }
  return {};
}

int make(const std::string& data_dir, std::uint64_t blobs, std::uint64_t files) {
  Status made = make_index(data_dir, blobs);
  if (made.ok()) made = make_files(data_dir, files);
  if (made.ok()) return 0;
  std::fprintf(stderr, "make_index: %s\n", made.error().message.c_str());
  return 1;
}

}  // namespace
}  // namespace layby::bench

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return layby::bench::make(argv[1], std::strtoull(argv[2], nullptr, 10),
                            std::strtoull(argv[3], nullptr, 10));
}
