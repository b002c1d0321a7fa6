// SPDX-License-Identifier: Apache-2.0
// Credentials: where the login for a registry comes from.
//
// The first of these that has one, as podman and skopeo do it:
//   1. --creds, for the registry in the image's name; never for its mirrors
// then the `credential-helpers` of registries.conf in their order, where
// "containers-auth.json" (all there is by default) stands for these files:
//   2. --authfile, else REGISTRY_AUTH_FILE; no other file is read then
//   3. $XDG_RUNTIME_DIR/containers/auth.json (else /run/containers/UID/…)
//   4. $XDG_CONFIG_HOME/containers/auth.json (else ~/.config/…)
//   5. $DOCKER_CONFIG/config.json (else ~/.docker/…)
//   6. ~/.dockercfg, of old Dockers
// None: requests are anonymous.
#ifndef IMGMOUNT_FETCH_AUTH_CREDENTIALS_H_
#define IMGMOUNT_FETCH_AUTH_CREDENTIALS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/auth/auth_file.h"
#include "fetch/config/environment.h"
#include "fetch/config/registries_conf.h"
#include "meta/base/result.h"

namespace imgmount {

class Credentials {
 public:
  // Stands for the files among helpers.
  static constexpr char kAuthFiles[] = "containers-auth.json";
  struct Options {
    std::string creds = {};     // "user:password", or "user" without one
    std::string authfile = {};  // must exist when given
    std::vector<std::string> helpers = {kAuthFiles};
    std::string helpers_file = {};  // that names them
  };
  static Result<Credentials> Load(const Options& options,
                                  const FetchEnvironment& environment);
  static Credentials None() { return {}; }

  // The files that are looked into, whether they exist or not.
  const std::vector<std::string>& files() const { return files_; }

  struct Place {
    std::string file;  // "--creds" for the option
    AuthEntry entry;
  };
  // The first place that has a login for a registry, found without running
  // helpers; nullopt: none.
  Result<std::optional<Place>> Locate(const Endpoint& endpoint) const;

  // A helper that has no login gives way to the next file.
  Result<std::optional<Credential>> Find(const Endpoint& endpoint) const;

 private:
  Credentials() = default;
  // Calls `take` with every place in turn, until it returns true.
  Status ForEachPlace(
      const Endpoint& endpoint,
      const std::function<Result<bool>(const Place&)>& take) const;

  std::optional<Credential> given_;
  std::vector<std::string> helpers_ = {kAuthFiles};
  std::string helpers_file_;
  std::vector<std::string> files_;
  std::string path_;  // where helpers are looked for
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_CREDENTIALS_H_
