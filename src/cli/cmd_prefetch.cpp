// SPDX-License-Identifier: Apache-2.0
//
// `layby prefetch`: starts a run of the daemon over the prefetch list and follows the run, or shows
// the plan of a run, or stops a run. The daemon does the work: Ctrl-C and --stop end the run, but
// the run continues if this program is killed.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cassert>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "cli/answer.h"
#include "cli/commands.h"
#include "cli/daemon_client.h"
#include "cli/daemon_options.h"
#include "cli/deferred_interrupt.h"
#include "cli/live_lines.h"
#include "cli/prefetch_display.h"
#include "cli/prefetch_log.h"
#include "cli/prefetch_look.h"
#include "cli/prefetch_plan.h"
#include "cli/prefetch_words.h"
#include "cli/screen.h"

namespace layby::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRedrawEvery{500};
constexpr milliseconds kLookEvery{1'000};

// A plan asks upstream for each tag, and with --sizes for each manifest too.
constexpr std::chrono::seconds kPlanPatience{600};

constexpr const char* kStopPath = "/prefetch?stop=1";
constexpr const char* kStopped =
    "stopped; fetched data is kept, and the next run continues from there";

struct PrefetchOptions {
  DaemonOptions daemon;
  bool detach = false;
  bool plan = false;
  bool sizes = false;
  bool stop = false;
};

Result<PrefetchLook> look_at(const std::string& socket) {
  const Result<std::string> answer = ask_daemon(socket, "/prefetch");
  if (!answer) return answer.error();
  return read_prefetch(*answer);
}

// Prints the progress of a run: as live lines on a terminal, else as a log. With --json, prints
// only the daemon's last answer.
class Output {
 public:
  explicit Output(bool as_json) : as_json_(as_json) {}

  milliseconds pause() const {
    return screen_of_stdout().is_terminal && !as_json_ ? kRedrawEvery : kLookEvery;
  }

  void show(const PrefetchLook& look, milliseconds elapsed) {
    if (as_json_) return;
    const Screen screen = screen_of_stdout();  // Asked each time: a terminal may be resized.
    std::cout << (screen.is_terminal
                      ? live_.draw(display_.lines(look, elapsed, screen), screen.columns)
                      : log_.lines(look, elapsed))
              << std::flush;
  }

  void clear() {
    const Screen screen = screen_of_stdout();
    if (screen.is_terminal && !as_json_) std::cout << live_.clear(screen.columns) << std::flush;
  }

  // Call clear() first. A log already shows each failed image. A terminal gets the failed images
  // here, because the live lines are gone.
  void end(const PrefetchLook& look) const {
    if (as_json_) return print_answer(look.json);
    if (screen_of_stdout().is_terminal) {
      for (const PrefetchImage& image : look.images) {
        if (image.state == PrefetchImage::State::kGivenUp) std::cout << end_of(image) << "\n";
      }
    }
    std::cout << verdict(look) << "\n";
  }

 private:
  const bool as_json_;
  LiveLines live_;
  PrefetchDisplay display_;
  PrefetchLog log_;
};

class Follower {
 public:
  Follower(const std::string& socket, std::uint64_t run, bool as_json)
      : socket_(socket), run_(run), as_json_(as_json), output_(as_json) {}

  int follow(const DeferredInterrupt& interrupt) {
    const auto began = steady_clock::now();
    while (true) {
      const Result<PrefetchLook> look = look_at(socket_);
      if (!look) return give_up(look.error());
      const RunState state = state_of_run(*look, run_);
      if (state == RunState::kLost) return give_up(lost());
      output_.show(*look, std::chrono::duration_cast<milliseconds>(steady_clock::now() - began));
      if (state == RunState::kEnded) return end(*look);
      if (interrupt.comes_within(output_.pause())) return stop(*look);
    }
  }

 private:
  Error lost() const {
    return {ErrorCode::kCancelled,
            fmt::format("the end of run {} is not known: the daemon was restarted or another run "
                        "began; run `layby prefetch` again",
                        run_)};
  }

  int give_up(const Error& error) {
    output_.clear();
    return fail(error);
  }

  int stop(const PrefetchLook& look) {
    output_.clear();
    const Result<std::string> answer = tell_daemon(socket_, kStopPath, kShortPatience);
    if (!answer) return fail(answer.error());
    if (as_json_) print_answer(look.json);
    complain(kStopped);
    return kFailed;
  }

  int end(const PrefetchLook& look) {
    assert(look.run == run_ && !look.result.empty());
    output_.clear();
    output_.end(look);
    return all_fine(look) ? kFine : kFailed;
  }

  const std::string& socket_;
  const std::uint64_t run_;
  const bool as_json_;
  Output output_;
};

// Reports a refusal. The daemon refuses when the list is empty or has faults. The refusal doesn't
// name the faults, but GET /prefetch does.
int refused(const std::string& socket, const Error& error, bool as_json) {
  if (error.code != ErrorCode::kDenied) return fail(error);
  const Result<PrefetchLook> look = look_at(socket);
  if (look && as_json) print_answer(look->json);
  if (look && !look->faults.empty()) {
    complain_of(look->list, look->faults);
  } else {
    complain(error.message);
  }
  return kMisused;
}

int detach(const std::string& socket, const PrefetchOptions& options) {
  if (!options.daemon.json) {
    std::cout << "the run has begun; `layby status` shows its progress\n";
    return kFine;
  }
  const Result<PrefetchLook> look = look_at(socket);
  if (!look) return fail(look.error());
  print_answer(look->json);
  return kFine;
}

// The number of the run, from the daemon's answer to POST /prefetch.
Result<std::uint64_t> run_of(const std::string& body) {
  const Result<Json> answer = parse_answer(body);
  if (!answer) return answer.error();
  if (const std::optional<std::uint64_t> run = known_number(*answer, "/run")) return *run;
  return Error{ErrorCode::kInvalid,
               "the daemon's answer names no run to follow; is the daemon of another version?"};
}

int begin(const std::string& socket, const PrefetchOptions& options) {
  const DeferredInterrupt interrupt;
  const Result<std::string> body = tell_daemon(socket, "/prefetch");
  if (!body) return refused(socket, body.error(), options.daemon.json);
  if (options.detach) return detach(socket, options);
  const Result<std::uint64_t> run = run_of(*body);
  if (!run) return fail(run.error());
  return Follower(socket, *run, options.daemon.json).follow(interrupt);
}

int plan(const std::string& socket, const PrefetchOptions& options) {
  const std::string path = options.sizes ? "/prefetch/plan?sizes=1" : "/prefetch/plan";
  const Result<std::string> body = ask_daemon(socket, path, kPlanPatience);
  if (!body) return refused(socket, body.error(), options.daemon.json);
  const Result<PrefetchPlan> plan = prefetch_plan(*body, options.sizes, screen_of_stdout());
  if (!plan) return fail(plan.error());
  if (options.daemon.json) {
    print_answer(*body);
  } else {
    std::cout << plan->page;
  }
  return plan->all_found ? kFine : kFailed;
}

int stop(const std::string& socket, const PrefetchOptions& options) {
  const Result<std::string> body = tell_daemon(socket, kStopPath, kShortPatience);
  if (!body) return fail(body.error());
  if (options.daemon.json) {
    print_answer(*body);
  } else {
    std::cout << kStopped << "\n";
  }
  return kFine;
}

int prefetch(const PrefetchOptions& options) {
  const std::optional<std::string> socket = socket_of(options.daemon);
  if (!socket) return kMisused;
  if (options.plan) return plan(*socket, options);
  if (options.stop) return stop(*socket, options);
  return begin(*socket, options);
}

}  // namespace

void add_prefetch(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("prefetch", "Fetch the images of the prefetch list now");
  const auto options = std::make_shared<PrefetchOptions>();
  add_daemon_options(*command, options->daemon,
                     "Print the daemon's answer unchanged; for a run, after its end");
  CLI::Option* detach =
      command->add_flag("--detach", options->detach, "Start the run and don't wait for its end");
  CLI::Option* plan = command->add_flag("--plan", options->plan,
                                        "Show what a run would fetch, and whether limits allow it");
  command
      ->add_flag("--sizes", options->sizes,
                 "With --plan: fetch the manifests to learn all sizes; this counts as pulls")
      ->needs(plan);
  CLI::Option* stop =
      command->add_flag("--stop", options->stop, "Stop the run; fetched data is kept");
  detach->excludes(plan)->excludes(stop);
  plan->excludes(stop);
  command->callback([options, &exit_code] { exit_code = prefetch(*options); });
}

}  // namespace layby::cli
