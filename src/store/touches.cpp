// SPDX-License-Identifier: Apache-2.0

#include "store/touches.h"

#include <algorithm>
#include <utility>

#include "store/reach.h"

namespace layby::store {
namespace {

constexpr std::size_t kMany = 16'384;

}  // namespace

void Touches::add(const Content& content, std::uint32_t hits, WallTime now) {
  Touch& touch = touches_[content];
  touch.hits += hits;
  touch.last = now;
}

TouchMap Touches::take() { return std::exchange(touches_, {}); }

bool Touches::many() const { return touches_.size() >= kMany; }

Status apply(WriteTxn& txn, const TouchMap& touches) {
  for (const auto& [content, touch] : touches) {
    if (Status put = txn.touch(content, touch.hits, touch.last); !put) return put;
    if (content.kind != ContentKind::kManifest || touch.hits == 0) continue;
    const auto stored = txn.find_manifest(content.digest);
    if (!stored || !stored->has_value()) continue;
    const auto parsed = oci::parse_manifest(*(*stored)->bytes, (*stored)->media_type);
    if (!parsed) continue;
    std::vector<oci::Descriptor> blobs = parsed->layers;
    if (parsed->config) blobs.push_back(*parsed->config);
    for (const oci::Descriptor& blob : blobs) {
      const Content named{ContentKind::kBlob, blob.digest};
      if (Status put = txn.touch(named, touch.hits, touch.last); !put) return put;
    }
  }
  return {};
}

}  // namespace layby::store
