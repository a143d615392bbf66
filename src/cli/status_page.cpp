// SPDX-License-Identifier: Apache-2.0
//
// Makes the page of `layby status`, with one function for each section.

#include "cli/status_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>
#include <vector>

#include "cli/answer.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

constexpr std::size_t kLabelColumns = 14;
constexpr std::size_t kShortDigest = 19;  // "sha256:" and twelve digits, as Docker shows them.

class Page {
 public:
  Page(const Json& stats, const Screen& screen) : stats_(stats), screen_(screen) {}

  std::string write() {
    title();
    notices();
    cache();
    upstream_requests();
    for (const Json& upstream : list(stats_, "/upstreams")) one_upstream(upstream);
    if (at(stats_, "/prefetch").is_object()) prefetch();
    moves();
    store();
    fills();
    return out_.str();
  }

 private:
  void heading(const std::string& words) {
    out_ << (screen_.is_terminal ? fmt::format("\n\x1b[1m{}\x1b[0m\n", words)
                                 : fmt::format("\n{}\n", words));
  }

  void line(std::string label, const std::string& value) {
    if (!value.empty()) label.resize(std::max(label.size() + 1, kLabelColumns), ' ');
    out_ << "  " << label << value << "\n";
  }

  // "[######----] "; empty if stdout is a file or a pipe.
  std::string bar(double share) const {
    if (!screen_.is_terminal) return "";
    return cli::bar(share, std::clamp(screen_.columns / 4, 10, 30)) + " ";
  }

  void title() {
    out_ << "Layby " << text(stats_, "/version") << " on " << text(stats_, "/listen") << ", up "
         << duration(number(stats_, "/uptime_seconds"))
         << ", connections: " << count(stats_, "/connections")
         << ", memory: " << bytes(stats_, "/resident_bytes") << "\n";
  }

  void notices() {
    const Json& lines = list(stats_, "/notices");
    if (lines.empty()) return;
    heading("Needs attention");
    for (const Json& each : lines)
      out_ << "  " << (each.is_string() ? each.get<std::string>() : "") << "\n";
  }

  void cache() {
    heading("Cache");
    const Json& ratio = at(stats_, "/cache/hit_ratio");
    line("hit ratio", ratio.is_number() ? bar(ratio.get<double>()) + percent(ratio.get<double>())
                                        : "nothing was pulled yet");
    line("pulled", fmt::format("{} from the store, {} along with a download, {} missing",
                               count(stats_, "/cache/hits"), count(stats_, "/cache/shared"),
                               count(stats_, "/cache/misses")));
    line("bytes saved",
         fmt::format("{} ({} came from upstream)", bytes(stats_, "/cache/bytes_saved"),
                     bytes(stats_, "/cache/bytes_from_upstream")));
    line("requests", fmt::format("{}, {} answered with an error", count(stats_, "/requests/total"),
                                 count(stats_, "/requests/errors")));
    if (number(stats_, "/cache/stale_served") > 0) {
      line("stale", count(stats_, "/cache/stale_served") +
                        " tags served from the cache because upstream failed");
    }
  }

  void upstream_requests() {
    heading("Asked upstream");
    line("manifests",
         fmt::format("{} pulls, {} checks of tags (free)", count(stats_, "/upstream/manifest_gets"),
                     count(stats_, "/upstream/manifest_heads")));
    line("blobs", fmt::format("{} downloads, {} sizes", count(stats_, "/upstream/blob_gets"),
                              count(stats_, "/upstream/blob_heads")));
    line("tokens", count(stats_, "/upstream/token_gets"));
    line("lists", count(stats_, "/upstream/other_gets"));
    line("trouble",
         fmt::format("{} failed, {} throttled, {} tried again", count(stats_, "/upstream/failures"),
                     count(stats_, "/upstream/throttled"), count(stats_, "/upstream/retries")));
  }

  void one_upstream(const Json& upstream) {
    const Json& reachable = at(upstream, "/reachable");
    const bool down = reachable.is_boolean() && !reachable.get<bool>();
    heading(text(upstream, "/name") + (down ? " - not reachable, serving from the cache" : ""));
    line("address", text(upstream, "/url"));
    link(upstream);
    if (const auto error = sentence(upstream, "/error"); !error.empty()) line("failure", error);
    if (const auto error = sentence(upstream, "/parent_error"); !error.empty()) {
      line("parent", error);
    }
    const std::optional<std::uint64_t> limit = known_number(upstream, "/quota/limit");
    if (!limit) return line("pulls left", "no limit stated");
    const std::optional<std::uint64_t> left = known_number(upstream, "/quota/remaining");
    const std::uint64_t window = number(upstream, "/quota/window_seconds");
    line(
        "pulls left",
        fmt::format("{} of {}{}", left ? bar(share_of(*left, *limit)) + std::to_string(*left) : "-",
                    *limit, window > 0 ? " in " + duration(window) : ""));
  }

  // Shows the link to an upstream only when the link has trouble.
  void link(const Json& upstream) {
    const std::string state = text(upstream, "/link");
    std::string words;
    if (state == "down" || state == "doubtful") {
      words = fmt::format("{} for {}", state, age(number(upstream, "/link_seconds")));
    }
    const std::uint64_t throttled = number(upstream, "/throttled_seconds");
    if (throttled > 0) words += (words.empty() ? "" : ", ") + ("throttled for " + age(throttled));
    if (!words.empty()) line("link", words);
  }

  void prefetch() {
    heading("Prefetch");
    const std::string reason = sentence(stats_, "/prefetch/reason");
    line("state", text(stats_, "/prefetch/state") + (reason.empty() ? "" : ": " + reason));
    const std::uint64_t images = number(stats_, "/prefetch/images");
    const std::uint64_t failed = number(stats_, "/prefetch/failed");
    if (images > 0) {
      line("images", fmt::format("{}{}", images,
                                 failed > 0 ? ", " + std::to_string(failed) + " failed" : ""));
    }
    const std::uint64_t size = number(stats_, "/prefetch/bytes_total");
    const std::uint64_t done = number(stats_, "/prefetch/bytes_done");
    if (size > 0) {
      line("fetched", fmt::format("{}{} of {}", bar(share_of(done, size)), format_bytes(done),
                                  format_bytes(size)));
    }
    const std::string trouble = sentence(stats_, "/prefetch/trouble");
    if (!trouble.empty()) line("trouble", trouble);
    const std::string result = sentence(stats_, "/prefetch/result");
    if (!result.empty()) line("last run", result);
    const std::optional<std::uint64_t> next = known_number(stats_, "/prefetch/next_run_seconds");
    if (next) line("next run", "in " + spelled_duration(*next));
  }

  // Shows the five latest moves of tags, latest first.
  void moves() {
    constexpr std::size_t kShown = 5;
    const Json& moved = list(stats_, "/moves");
    if (moved.empty()) return;
    std::vector<const Json*> latest;
    for (const Json& move : moved) latest.push_back(&move);
    std::stable_sort(latest.begin(), latest.end(), [](const Json* a, const Json* b) {
      return number(*a, "/seconds_ago") < number(*b, "/seconds_ago");
    });
    latest.resize(std::min(latest.size(), kShown));
    heading("Moved tags");
    for (const Json* move : latest) one_move(*move);
  }

  void one_move(const Json& move) {
    const std::optional<std::uint64_t> size = known_number(move, "/bytes");
    out_ << "  " << text(move, "/image") << "  " << age(number(move, "/seconds_ago")) << " ago"
         << (size ? ", " + format_bytes(*size) + " new" : "") << "\n";
  }

  void store() {
    heading("Store");
    line("blobs",
         fmt::format("{}, {}", count(stats_, "/store/blobs"), bytes(stats_, "/store/blob_bytes")));
    line("manifests", fmt::format("{} with {} tags", count(stats_, "/store/manifests"),
                                  count(stats_, "/store/tags")));
    const std::uint64_t total = number(stats_, "/store/disk_total_bytes");
    const std::uint64_t used = total - std::min(total, number(stats_, "/store/disk_free_bytes"));
    line("disk", fmt::format("{}{} free of {}", bar(share_of(used, total)),
                             bytes(stats_, "/store/disk_free_bytes"), format_bytes(total)));
    if (flag(stats_, "/store/full")) {
      line("full",
           "new blobs pass through without being stored; see cache.max_bytes and "
           "cache.min_free_bytes");
    }
    const std::uint64_t evicted = number(stats_, "/store/evicted_bytes");
    line("written", fmt::format("{} since the start{}", bytes(stats_, "/store/bytes_written"),
                                evicted > 0 ? ", " + format_bytes(evicted) + " evicted" : ""));
    if (at(stats_, "/scrub").is_object()) scrub();
  }

  void scrub() {
    const std::uint64_t checked = number(stats_, "/scrub/checked_bytes");
    const bool running = flag(stats_, "/scrub/running");
    if (!running && !known_number(stats_, "/scrub/last_pass_seconds")) return;
    const std::string share = percent(share_of(checked, number(stats_, "/store/blob_bytes")));
    line("check",
         fmt::format("{}, {} bad",
                     running ? share + " of the running check" : "all stored blobs were checked",
                     count(stats_, "/scrub/bad_blobs")));
  }

  void fills() {
    const Json& running = list(stats_, "/fills");
    heading("Downloading");
    if (running.empty()) return line("nothing", "");
    for (const Json& fill : running) one_fill(fill);
  }

  void one_fill(const Json& fill) {
    const std::uint64_t received = number(fill, "/received_bytes");
    const std::optional<std::uint64_t> size = known_number(fill, "/size_bytes");
    out_ << "  " << text(fill, "/repository") << "  "
         << text(fill, "/digest").substr(0, kShortDigest) << "\n    ";
    if (size) {
      const double share = *size == 0 ? 1.0 : share_of(received, *size);
      out_ << bar(share) << percent(share) << "  " << format_bytes(received) << " of "
           << format_bytes(*size);
    } else {
      out_ << format_bytes(received) << " so far";
    }
    out_ << ", " << text(fill, "/state") << ", " << how_many(number(fill, "/readers"), "client")
         << "\n";
  }

  const Json& stats_;
  const Screen& screen_;
  std::ostringstream out_;
};

}  // namespace

Result<std::string> status_page(std::string_view stats, const Screen& screen) {
  const Result<Json> answer = parse_answer(stats);
  if (!answer) return answer.error();
  return Page(*answer, screen).write();
}

}  // namespace layby::cli
