// SPDX-License-Identifier: Apache-2.0
//
// Figures and text from the daemon's JSON, for people. A daemon of another version may leave a
// figure out. A missing figure counts as 0, "-" or an empty list, because a page with a gap is more
// use than no page. Text passes through printable(), because any client of the daemon may choose
// names. Paths are JSON pointers, such as "/cache/hits".

#ifndef LAYBY_SRC_CLI_ANSWER_H_
#define LAYBY_SRC_CLI_ANSWER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::cli {

using Json = nlohmann::json;

// Parses the daemon's answer. kInvalid: `body` is not a JSON object.
Result<Json> parse_answer(std::string_view body);

// The member at `path`; null when the member is missing.
const Json& at(const Json& object, const std::string& path);

std::uint64_t number(const Json& object, const std::string& path);
std::optional<std::uint64_t> known_number(const Json& object, const std::string& path);
bool flag(const Json& object, const std::string& path);
const Json& list(const Json& object, const std::string& path);

// The text at `path`, cut to 200 characters and "..."; "-" for a missing text.
std::string text(const Json& object, const std::string& path);
// The sentence at `path`, at most 2000 characters; "" for a missing sentence.
std::string sentence(const Json& object, const std::string& path);

std::string bytes(const Json& object, const std::string& path);
std::string count(const Json& object, const std::string& path);

// "4 blobs", "1 blob".
std::string how_many(std::uint64_t number, const std::string& thing);

// "3m 20s".
std::string duration(std::uint64_t seconds);

// "3 h": one unit, for tables.
std::string age(std::uint64_t seconds);

// "3 h 20 min", "6 h", "40 s": for sentences.
std::string spelled_duration(std::uint64_t seconds);

// "31.2%".
std::string percent(double share);

// "[####------]", with `columns` characters between the brackets.
std::string bar(double share, int columns);

// The share of `part` in `whole`, from 0 to 1.
double share_of(std::uint64_t part, std::uint64_t whole);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_ANSWER_H_
