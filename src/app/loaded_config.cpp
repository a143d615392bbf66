// SPDX-License-Identifier: Apache-2.0
//
// If the configuration was parsed without faults, all further checks run, so that all their faults
// are found at once.

#include "app/loaded_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "app/file_mark.h"

namespace layby::app {
namespace {

// The complaint about a folder that can't be made or written; empty for a good folder. A lack of
// permission is a complaint only for the user that runs the daemon.
std::string check_folder(const std::string& path, CheckedBy user) {
  std::filesystem::path at(path);
  struct stat found {};
  while (::stat(at.c_str(), &found) != 0 && errno == ENOENT && at != at.root_path()) {
    at = at.parent_path();
  }
  const bool hidden = ::stat(at.c_str(), &found) != 0;
  if (hidden && errno == EACCES && user == CheckedBy::kAnyone) return "";
  if (hidden) return errno_error(at.string(), errno).message;
  if (!S_ISDIR(found.st_mode)) return at.string() + " is not a folder; name another folder";
  if (::access(at.c_str(), W_OK | X_OK) == 0) return "";
  if (errno == EACCES && user == CheckedBy::kAnyone) return "";
  return errno_error("write to " + at.string(), errno).message +
         "; let the user that runs layby write there";
}

}  // namespace

LoadedConfig load_all(ConfigOutcome outcome, CheckedBy user) {
  LoadedConfig loaded;
  loaded.config = std::move(outcome.config);
  loaded.faults = std::move(outcome.faults);
  if (!loaded.faults.empty()) return loaded;
  if (std::string complaint = check_folder(loaded.config.store.data_dir, user);
      !complaint.empty()) {
    loaded.faults.push_back({"data_dir", std::move(complaint)});
  }
  const auto& tls = loaded.config.tls;
  if (!tls.certificate_file.empty()) {
    auto identity = TlsFiles::load({tls.certificate_file, tls.key_file}, nullptr);
    if (identity.ok()) {
      loaded.identity = *std::move(identity);
    } else {
      loaded.faults.push_back({"tls", identity.error().message});
    }
  }
  auto plans = plan_upstreams(loaded.config);
  if (plans.ok()) {
    loaded.upstreams = *std::move(plans);
  } else {
    loaded.faults.push_back({"upstreams", plans.error().message});
  }
  return loaded;
}

LoadedConfig reload_config(const std::string& path, bool defaults) {
  const FileMark mark = mark_of(path);
  if (!mark.there && defaults) return load_all({});
  LoadedConfig loaded;
  if (mark.size_bytes > 0) {
    loaded = load_all(load_config(path));
  } else {
    loaded.faults.push_back({path, "is missing or empty; write {} for the defaults"});
  }
  loaded.from_file = true;
  return loaded;
}

std::vector<ConfigFault> check_start(const Config& config, CheckedBy user) {
  return load_all({config, {}}, user).faults;
}

}  // namespace layby::app
