// SPDX-License-Identifier: Apache-2.0
// registries.conf, version 2 (containers-registries.conf(5)): where images of
// a name are really to be had, and what names without a registry stand for.
#ifndef IMGMOUNT_FETCH_CONFIG_REGISTRIES_CONF_H_
#define IMGMOUNT_FETCH_CONFIG_REGISTRIES_CONF_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/config/environment.h"
#include "fetch/http/tls_files.h"
#include "meta/base/result.h"
#include "meta/image/reference.h"

namespace imgmount {

// One place that may have a repository.
struct Endpoint {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // there; a mirror may use another name
  bool insecure = false;   // plain HTTP and unknown certificates will do
  bool mirror = false;
  TlsFiles tls = {};        // see certs_d.h; registries.conf does not know
  std::string source = {};  // what named it, for people; "": nothing did
  // hosts.toml only:
  std::string api_root = "/v2";  // of the URL's path
  std::string name_space = {};   // the registry whose mirror it is; "": none
  bool can_pull = true;          // blobs, and manifests by digest
  bool can_resolve = true;       // tags
  std::vector<std::string> headers = {};  // for this host alone
  bool operator==(const Endpoint&) const = default;
};

// The host that its API is at: that of docker.io has another name.
std::string ApiHost(const Endpoint& endpoint);
// The registry at such a host, by the name that logins know.
std::string RegistryAt(const std::string& api_host);

class RegistriesConf {
 public:
  // `explicit_path` (an option), else CONTAINERS_REGISTRIES_CONF, else
  // ~/.config/containers/registries.conf, else that of /etc; drop-ins of both
  // registries.conf.d folders on top, and the aliases that podman has recorded
  // (short-name-aliases.conf), as in containers/image. Only the explicitly
  // named file must exist.
  static Result<RegistriesConf> Load(const std::string& explicit_path,
                                     const FetchEnvironment& environment);

  // Adds what a file says; an entry or alias of the same name is replaced.
  // kUsage names file and line.
  Status Add(std::string_view toml, const std::string& file_name);

  // Whether any entry is about it.
  bool Knows(const Reference& reference) const;
  // Mirrors in order, then the place itself; never empty. kDenied: blocked.
  Result<std::vector<Endpoint>> EndpointsFor(const Reference& reference) const;

  // The references that a name without a registry ("app", "user/app:1") may
  // stand for, best first: its alias, else the unqualified-search-registries,
  // else Docker Hub.
  struct FullName {
    std::string text;  // "quay.io/user/app:1"
    std::string why;   // "alias in FILE"; "" for Docker Hub by default
  };
  std::vector<FullName> FullNamesOf(const std::string& short_name) const;
  // The file that has `short-name-mode = "enforcing"`: of several registries
  // none may be chosen; "": they are asked in turn.
  const std::string& enforcing_file() const { return enforcing_file_; }

  // `credential-helpers` and the file that names them; none by default.
  const std::vector<std::string>& credential_helpers() const {
    return credential_helpers_;
  }
  const std::string& credential_helpers_file() const {
    return credential_helpers_file_;
  }

 private:
  enum class Pull { kAll, kDigestOnly, kTagOnly };
  struct Place {
    std::string location;
    bool insecure = false;
    Pull pull = Pull::kAll;
  };
  struct Registry {
    std::string prefix;
    Place self;
    bool blocked = false;
    bool mirror_by_digest_only = false;
    std::vector<Place> mirrors;
    std::string file_name;  // for messages
  };
  const Registry* Match(const std::string& name) const;

  std::vector<Registry> registries_;
  std::map<std::string, FullName> aliases_;  // by the name without a registry
  std::vector<std::string> search_registries_;
  std::string search_file_;
  std::string enforcing_file_;
  std::vector<std::string> credential_helpers_;
  std::string credential_helpers_file_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_REGISTRIES_CONF_H_
