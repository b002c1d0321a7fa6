// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/credentials.h"

#include <fmt/format.h>
#include <unistd.h>

#include "fetch/auth/credential_helper.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

constexpr char kOldDockerFile[] = "/.dockercfg";

// The entry of a file; nullopt where the file does not exist.
Result<std::optional<AuthEntry>> EntryIn(const std::string& file,
                                         const Endpoint& endpoint) {
  auto text = ReadFile(file, kMaxAuthFileBytes);
  if (text) {
    // The file of old Dockers is what "auths" holds now.
    if (file.ends_with(kOldDockerFile)) *text = R"({"auths":)" + *text + "}";
    return FindAuthEntry(*text, file, endpoint.registry, endpoint.repository);
  }
  if (text.error().code() == ErrorCode::kNotFound) {
    return std::optional<AuthEntry>();
  }
  return Failure(std::move(text).error());
}

}  // namespace

Result<Credentials> Credentials::Load(const Options& options,
                                      const FetchEnvironment& environment) {
  Credentials credentials;
  credentials.path_ = environment.path;
  credentials.helpers_ = options.helpers;
  credentials.helpers_file_ = options.helpers_file;
  if (!options.creds.empty()) {
    const size_t colon = options.creds.find(':');
    const std::string user = options.creds.substr(0, colon);
    if (user.empty()) {
      return Fail(ErrorCode::kUsage, "--creds wants USER:PASSWORD");
    }
    credentials.given_ = Credential{
        user,
        colon == std::string::npos ? "" : options.creds.substr(colon + 1)};
  }

  if (!options.authfile.empty()) {
    if (::access(options.authfile.c_str(), F_OK) != 0) {
      return Fail(ErrorCode::kUsage, options.authfile + ": no such file");
    }
    credentials.files_ = {options.authfile};
    return credentials;
  }
  if (!environment.registry_auth_file.empty()) {
    credentials.files_ = {environment.registry_auth_file};
    return credentials;
  }
  const std::string& home = environment.home;
  const auto add = [&](const std::string& folder, const std::string& otherwise,
                       const std::string& name) {
    const std::string& chosen = folder.empty() ? otherwise : folder;
    if (!chosen.empty()) credentials.files_.push_back(chosen + name);
  };
  const std::string& runtime = environment.xdg_runtime_dir;
  add(runtime.empty() ? "" : runtime + "/containers",
      fmt::format("/run/containers/{}", ::geteuid()), "/auth.json");
  add(environment.xdg_config_home, home.empty() ? "" : home + "/.config",
      "/containers/auth.json");
  add(environment.docker_config, home.empty() ? "" : home + "/.docker",
      "/config.json");
  add("", home, kOldDockerFile);
  return credentials;
}

Status Credentials::ForEachPlace(
    const Endpoint& endpoint,
    const std::function<Result<bool>(const Place&)>& take) const {
  if (given_ && !endpoint.mirror) {
    IMGMOUNT_CHECK(
        take({"--creds", {.key = endpoint.registry, .credential = *given_}}));
    return {};
  }
  for (const std::string& helper : helpers_) {
    if (helper != kAuthFiles) {
      IMGMOUNT_TRY(
          const bool taken,
          take({helpers_file_, {.key = endpoint.registry, .helper = helper}}));
      if (taken) return {};
      continue;
    }
    for (const std::string& file : files_) {
      IMGMOUNT_TRY(const auto entry, EntryIn(file, endpoint));
      if (!entry) continue;
      IMGMOUNT_TRY(const bool taken, take({file, *entry}));
      if (taken) return {};
    }
  }
  return {};
}

Result<std::optional<Credentials::Place>> Credentials::Locate(
    const Endpoint& endpoint) const {
  std::optional<Place> found;
  IMGMOUNT_CHECK(ForEachPlace(endpoint, [&](const Place& place) {
    found = place;
    return true;
  }));
  return found;
}

Result<std::optional<Credential>> Credentials::Find(
    const Endpoint& endpoint) const {
  std::optional<Credential> found;
  IMGMOUNT_CHECK(
      ForEachPlace(endpoint, [&](const Place& place) -> Result<bool> {
        const AuthEntry& entry = place.entry;
        if (entry.helper.empty()) {
          found = entry.credential;
        } else {
          IMGMOUNT_TRY(found, GetFromHelper(entry.helper, entry.key, path_));
        }
        return found.has_value();
      }));
  return found;
}

}  // namespace imgmount
