// SPDX-License-Identifier: Apache-2.0
// FetchEnvironment: the environment variables of podman, Docker and curl that
// say where images come from and who asks for them.
//
// A value, so that a caller without a command line (a service, a test) can say
// what they are. Nothing else in fetch reads variables, but for libcurl, which
// reads those of proxies itself.
#ifndef IMGMOUNT_FETCH_CONFIG_ENVIRONMENT_H_
#define IMGMOUNT_FETCH_CONFIG_ENVIRONMENT_H_

#include <functional>
#include <optional>
#include <string>

namespace imgmount {

struct EnvironmentVariable {
  std::string name = {};
  std::string value = {};  // "": none is set
};

// A variable that is not set counts as empty, and the other way round.
struct FetchEnvironment {
  // `variable` answers nullopt for one that is not set, as ToolIo::env does.
  static FetchEnvironment Read(
      const std::function<std::optional<std::string>(const std::string&)>&
          variable);

  std::string home = {};             // HOME
  std::string path = {};             // PATH: of credential helpers
  std::string xdg_cache_home = {};   // XDG_CACHE_HOME
  std::string xdg_config_home = {};  // XDG_CONFIG_HOME
  std::string xdg_runtime_dir = {};  // XDG_RUNTIME_DIR

  std::string registries_conf = {};     // CONTAINERS_REGISTRIES_CONF
  std::string registry_auth_file = {};  // REGISTRY_AUTH_FILE
  std::string container_host = {};      // CONTAINER_HOST

  std::string docker_config = {};      // DOCKER_CONFIG
  std::string docker_context = {};     // DOCKER_CONTEXT
  std::string docker_host = {};        // DOCKER_HOST
  std::string docker_cert_path = {};   // DOCKER_CERT_PATH
  std::string docker_tls_verify = {};  // DOCKER_TLS_VERIFY

  // HTTP_PROXY, which libcurl does not read, where http_proxy is not set.
  std::string http_proxy = {};
  // As libcurl chooses them, for people.
  EnvironmentVariable https_proxy = {};
  EnvironmentVariable no_proxy = {};
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_ENVIRONMENT_H_
