// SPDX-License-Identifier: Apache-2.0
//
// Wires the parts of the daemon, and takes them down in the reverse order. Invariant: each member
// of Daemon is built only from members that are declared before it. A callback may use a member
// that is declared later, because callbacks come only after start() has built all members.

#include "layby/app/daemon.h"

#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "app/box.h"
#include "app/config_change.h"
#include "app/control.h"
#include "app/crash_mark.h"
#include "app/file_mark.h"
#include "app/front.h"
#include "app/listeners.h"
#include "app/loaded_config.h"
#include "app/memory_return.h"
#include "app/pages.h"
#include "app/prefetching.h"
#include "app/rate_windows.h"
#include "app/service_manager.h"
#include "app/shutdown.h"
#include "app/upstreams.h"
#include "app/watched_files.h"
#include "layby/app/version.h"
#include "layby/base/bytes.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "layby/base/log_level.h"
#include "layby/base/number.h"
#include "layby/cache/cache.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/events/events.h"
#include "layby/events/log_listener.h"
#include "layby/events/ring.h"
#include "layby/server/http_server.h"
#include "layby/server/registry_api.h"
#include "layby/store/disk_store.h"
#include "layby/store/event_journal.h"
#include "layby/upstream/multi.h"
#include "layby/web/routes.h"

namespace layby::app {
namespace {

// Raises the limit of open files to the system's maximum, because each client and each blob needs
// an open file.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::warn("the limit of open files stays low");
}

std::uint64_t resident_bytes() {
  // The second number in statm counts the resident pages (proc(5)).
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             std::fclose);
  unsigned long long pages = 0;
  if (!file || std::fscanf(file.get(), "%*u %llu", &pages) != 1) return 0;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// The bytes that this process has written to disks (proc(5)); nullopt if the kernel doesn't count
// these bytes.
std::optional<std::uint64_t> disk_bytes_written() {
  constexpr std::string_view kName = "\nwrite_bytes: ";
  const Result<std::string> text = read_file("/proc/self/io", 4096);
  const std::size_t at = text ? text->find(kName) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  const std::size_t from = at + kName.size();
  return parse_number(text->substr(from, text->find('\n', from) - from));
}

// The lines of the notices file. The file may disappear at any moment.
std::vector<std::string> notices(const std::string& file) {
  constexpr std::uint64_t kMaxBytes = 16 << 10;
  std::vector<std::string> lines;
  const auto text = file.empty() ? Result<std::string>(std::string()) : read_file(file, kMaxBytes);
  if (!text) return lines;
  std::istringstream rest(*text);
  for (std::string line; std::getline(rest, line);) lines.push_back(std::move(line));
  return lines;
}

bool has_private_upstream(const Config& config) {
  return std::any_of(config.upstreams.begin(), config.upstreams.end(),
                     [](const UpstreamConfig& upstream) { return !upstream.username.empty(); });
}

class Daemon {
 public:
  Daemon(Config config, const std::string& config_path, const std::string& notices_file)
      : config_(std::move(config)),
        config_path_(config_path.empty() ? kConfigPath : config_path),
        notices_file_(notices_file) {}

  Status start();
  void run() { loop_->run(); }

 private:
  Status start_cache(std::vector<UpstreamPlan> plans);
  void start_journal();
  Status start_server(LoadedIdentity identity);
  cache::Rules rules() const;
  void set_rates();
  void watch_config();
  void on_config(LoadedConfig loaded);
  void apply(LoadedConfig loaded);
  void set_config_faults(std::vector<ConfigFault> faults);
  std::string notice_of(const ConfigFault& fault) const;
  void watch_signals();
  void on_stop_signal();
  void on_draining(std::chrono::milliseconds left);
  void on_ending();
  admin::Snapshot snapshot() const;

  Config config_;  // The configuration in force. Only apply() changes it.
  const std::string config_path_;
  const FileMark config_mark_ = mark_of(config_path_);  // The mark of the file that the start read.
  bool defaults_ = !config_mark_.there;  // The defaults are in force, because there is no file.
  const std::string& notices_file_;
  std::vector<ConfigFault> config_faults_;  // The faults of the last reading.
  const SystemClock clock_;
  const SteadyTime started_at_ = clock_.steady_now();
  Counters counters_;
  events::Events events_;
  const Handle log_listener_ = events_.listen(events::log_event);
  events::Ring ring_{clock_};
  const Handle ring_listener_ =
      events_.listen([this](const events::Event& event) { ring_.on_event(event); });
  const std::uint32_t seed_ = box_seed();
  const std::string box_ = new_box_id();
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<MemoryReturn> memory_return_;
  std::unique_ptr<event::Workers> workers_;
  std::unique_ptr<store::EventJournal> journal_;
  std::unique_ptr<store::DiskStore> store_;
  std::unique_ptr<upstream::Multi> multi_;
  std::unique_ptr<RateWindows> rate_windows_;
  std::unique_ptr<Upstreams> upstreams_;
  std::unique_ptr<cache::Cache> cache_;
  std::unique_ptr<Prefetching> prefetching_;
  std::unique_ptr<Shutdown> shutdown_;
  std::unique_ptr<server::RegistryApi> api_;
  web::Routes routes_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<server::HttpServer> server_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<WatchedFiles<LoadedConfig>> config_file_;
  std::vector<Handle> signals_;
  std::unique_ptr<ServiceManager> manager_;
};

Status Daemon::start() {
  assert(!loop_);  // start() is called once.
  raise_open_files();
  auto loop = event::Loop::create();
  if (!loop.ok()) return loop.error();
  loop_ = std::move(*loop);
  memory_return_ = std::make_unique<MemoryReturn>(*loop_);
  workers_ = std::make_unique<event::Workers>(config_.helper_threads);
  LoadedConfig loaded = load_all({config_, {}});
  if (!loaded.faults.empty()) {
    return Error{ErrorCode::kInvalid, to_string(loaded.faults.front())};
  }
  if (Status status = start_cache(std::move(loaded.upstreams)); !status.ok()) return status;
  if (Status status = start_server(std::move(loaded.identity)); !status.ok()) return status;
  watch_config();
  watch_signals();
  manager_ = std::make_unique<ServiceManager>(ServiceManager::asked_for(), *loop_);
  manager_->ready("Serving on " + listeners_->address());
  return {};
}

Status Daemon::start_cache(std::vector<UpstreamPlan> plans) {
  store::Options options = config_.store;
  options.private_after_rebuild = has_private_upstream(config_);
  // The mark is set before the index is opened, because a damaged index may crash the process.
  mark_crashes(store::suspicion_path(config_.store.data_dir));
  auto store = store::DiskStore::open(options, *loop_, *workers_, clock_, counters_, events_);
  if (!store.ok()) return store.error();
  store_ = std::move(*store);
  start_journal();
  upstream::MultiOptions transfers;
  auto multi = upstream::Multi::create(*loop_, transfers);
  if (!multi.ok()) return multi.error();
  multi_ = std::move(*multi);
  upstreams_ = std::make_unique<Upstreams>(
      Upstreams::Context{*multi_, *loop_, clock_, counters_, events_, config_.rules, box_});
  cache_ = std::make_unique<cache::Cache>(rules(), upstreams_->make_origins(std::move(plans)),
                                          *store_, *loop_, clock_, counters_, events_);
  set_rates();
  store_->on_damaged([this](const oci::Digest& digest, const std::optional<cache::TagKey>& user) {
    const cache::Origin* origin = user ? cache_->find_origin(user->upstream) : nullptr;
    if (origin != nullptr) cache_->fetch_blob(*origin, user->repository, digest);
  });
  prefetching_ = std::make_unique<Prefetching>(
      Prefetching::Context{config_, *cache_, *loop_, *workers_, clock_, events_, seed_});
  return {};
}

// The open store has locked the data folder, so no other process writes the journal.
void Daemon::start_journal() {
  ring_.restore(store::EventJournal::read(config_.store.data_dir));
  journal_ = std::make_unique<store::EventJournal>(config_.store.data_dir, *loop_, *workers_);
  ring_.on_recorded([this](const events::Record& record) { journal_->append(record); });
}

Status Daemon::start_server(LoadedIdentity identity) {
  api_ = std::make_unique<server::RegistryApi>(*cache_, box_);
  shutdown_ = std::make_unique<Shutdown>(
      config_, *loop_, clock_,
      Shutdown::Calls{.on_draining = [this](auto left) { on_draining(left); },
                      .on_ending = [this] { on_ending(); },
                      .stop = [this] { loop_->stop(); }});
  add_page_routes(
      routes_, [this] { return snapshot(); }, [this] { return shutdown_->draining(); });
  add_control_routes(
      routes_, {*cache_, *store_, *store_, *prefetching_, ring_, clock_, config_, *shutdown_});
  front_ = std::make_unique<Front>(*api_, routes_, PageHosts(config_.hosts));
  const server::HttpServer::Context context{*loop_, *workers_, clock_, counters_};
  server_ = std::make_unique<server::HttpServer>(context, config_.limits, *front_);
  // No registry may send the daemon's requests to the daemon's own listeners.
  listeners_ =
      std::make_unique<Listeners>(*server_, TlsFiles::Context{*loop_, *workers_, clock_},
                                  [this](std::uint16_t port) { multi_->add_own_port(port); });
  const auto faults = listeners_->listen(config_, std::move(identity));
  if (!faults.empty()) return Error{ErrorCode::kIo, faults.front().message};
  events_.tell(events::Started{version(), listeners_->address(), config_.store.data_dir});
  return {};
}

// The rules of the configuration, with the seed of this box.
cache::Rules Daemon::rules() const {
  cache::Rules rules = config_.rules;
  rules.seed = seed_;
  return rules;
}

void Daemon::set_rates() {
  rate_windows_ =
      std::make_unique<RateWindows>(config_, *loop_, clock_, [this](std::uint64_t rate) {
        multi_->set_max_rate(rate);
        cache_->set_link_rate(rate);
      });
}

// If there is no file, the defaults are in force until somebody writes the file.
void Daemon::watch_config() {
  const auto call = [this](LoadedConfig loaded) { on_config(std::move(loaded)); };
  config_file_ = std::make_unique<WatchedFiles<LoadedConfig>>(
      *loop_, *workers_, std::vector{config_path_},
      WatchedFiles<LoadedConfig>::Calls{.reader =
                                            [this] {
                                              return [path = config_path_, defaults = defaults_] {
                                                return reload_config(path, defaults);
                                              };
                                            },
                                        .on_read = call});
  // The start has read the file already. If the file has changed since then, the first look reads
  // it.
  config_file_->set_read({config_mark_});
  config_file_->look();
}

void Daemon::on_config(LoadedConfig loaded) {
  if (loaded.faults.empty()) return apply(std::move(loaded));
  set_config_faults(std::move(loaded.faults));
  log::error("{}: the last good configuration stays in force", config_path_);
}

// config_ changes before the parts get their new values, because some parts keep a reference to
// config_.
void Daemon::apply(LoadedConfig loaded) {
  Config& next = loaded.config;
  std::vector<ConfigFault> faults = keep_until_restart(config_, next);
  for (ConfigFault& fault : listeners_->listen(next, std::move(loaded.identity))) {
    keep_value(fault.path, config_, next);
    faults.push_back(std::move(fault));
  }
  const std::vector<std::string> changed = changed_keys(config_, next);
  defaults_ = !loaded.from_file;
  config_ = std::move(next);
  log::set_level(config_.log_level);
  front_->set_hosts(config_.hosts);
  server_->set_limits(config_.limits);
  cache_->set_rules(rules());
  cache_->set_origins(upstreams_->make_origins(std::move(loaded.upstreams)));
  set_rates();
  if (!changed.empty()) {
    log::info("{}: in force with changes of {}", config_path_, fmt::join(changed, ", "));
    prefetching_->reconfigure();
  }
  set_config_faults(std::move(faults));
}

void Daemon::set_config_faults(std::vector<ConfigFault> faults) {
  config_faults_ = std::move(faults);
  for (const ConfigFault& fault : config_faults_) log::error("{}", notice_of(fault));
}

std::string Daemon::notice_of(const ConfigFault& fault) const {
  const std::string text = to_string(fault);
  return fault.path == config_path_ ? text : config_path_ + ": " + text;
}

void Daemon::watch_signals() {
  // Without SIGPIPE, a write to a client that has gone fails with EPIPE.
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT}) {
    signals_.push_back(loop_->on_signal(number, [this] { on_stop_signal(); }));
  }
  signals_.push_back(loop_->on_signal(SIGHUP, [this] {
    log::info("SIGHUP: reading the configuration, the prefetch list and the certificate again");
    if (config_file_) config_file_->reload();
    prefetching_->reload();
    listeners_->reload();
  }));
}

void Daemon::on_stop_signal() {
  assert(shutdown_ && manager_);  // Signals come only while the loop runs.
  // The service manager hears of the end only after a signal, and not after `layby drain`. A
  // manager that knows of the end sends no SIGTERM, and only a SIGTERM shortens a long drain.
  manager_->stopping(config_.drain_for + config_.shutdown_grace);
  shutdown_->on_signal();
}

void Daemon::on_draining(std::chrono::milliseconds left) {
  if (left.count() == 0) return;
  log::info("draining: /healthz says 503, and the listeners close in {}", format_duration(left));
}

void Daemon::on_ending() {
  assert(server_ && manager_);
  config_file_.reset();  // From here on, no changed address is bound.
  events_.tell(events::Stopping{server_->connections(), config_.shutdown_grace});
  server_->drain([this] { loop_->stop(); });
}

admin::Snapshot Daemon::snapshot() const {
  assert(server_ && prefetching_ && cache_ && upstreams_ && store_);
  admin::Snapshot s;
  s.version = version();
  s.uptime = std::chrono::duration_cast<std::chrono::seconds>(clock_.steady_now() - started_at_);
  s.listen = listeners_->address();
  s.draining = shutdown_->draining();
  s.connections = server_->connections();
  s.store = store_->usage();
  s.full = cache_->full();
  s.disk_bytes_written = disk_bytes_written();
  s.scrub = store_->scrub();
  s.now = clock_.wall_now();
  s.resident_bytes = resident_bytes();
  s.upstreams = upstreams_->states();
  s.prefetch = prefetching_->status();
  s.moves = cache_->moves();
  s.fills = cache_->fills();
  s.notices = notices(notices_file_);
  s.config_faults = config_faults_.size();
  for (const ConfigFault& fault : config_faults_) {
    s.notices.push_back(notice_of(fault));
  }
  s.log_dropped_lines = log::dropped_lines();
  s.counters = &counters_;
  return s;
}

}  // namespace

Status serve(const Config& config, const std::string& config_path,
             const std::string& notices_file) {
  Daemon daemon(config, config_path, notices_file);
  if (Status status = daemon.start(); !status.ok()) return status;
  daemon.run();
  log::info("stopped");
  return {};
}

}  // namespace layby::app
