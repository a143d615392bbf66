// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the reader of the ledger. The input is the ledger's file. Each change from the file can be
// written to a new file. The new file has the same changes and no damaged bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/result.h"
#include "require.h"
#include "store/ledger.h"

namespace layby::fuzz {
namespace {

store::LedgerReader::Source source_of(std::string_view bytes) {
  return [bytes](std::uint64_t offset, std::size_t size) -> Result<std::string> {
    const auto from = std::min<std::uint64_t>(offset, bytes.size());
    return std::string(bytes.substr(static_cast<std::size_t>(from), size));
  };
}

// Returns the records of all changes in `bytes`, and sets `skipped_bytes`.
std::string rewrite(std::string_view bytes, std::uint64_t& skipped_bytes) {
  store::LedgerReader reader(source_of(bytes));
  std::string records;
  for (;;) {
    const auto change = reader.next();
    require(change.ok(), "a source without errors gives none");
    if (!change->has_value()) break;
    require(!(*change)->key.empty(), "an entry has a key");
    require(!(*change)->erased || (*change)->value.empty(), "an erased entry has no value");
    records += encode(**change);
    require(records.size() <= bytes.size(), "each record was in the file");
  }
  skipped_bytes = reader.skipped_bytes();
  require(skipped_bytes <= bytes.size(), "no byte is skipped twice");
  return records;
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace layby::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::uint64_t skipped_bytes = 0;
  const std::string records = rewrite(bytes, skipped_bytes);
  require(rewrite("laybyLG1" + records, skipped_bytes) == records, "the changes read back");
  require(skipped_bytes == 0, "a written ledger has no damaged bytes");
  return 0;
}
