// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/environment.h"

#include <initializer_list>

namespace imgmount {

FetchEnvironment FetchEnvironment::Read(
    const std::function<std::optional<std::string>(const std::string&)>&
        variable) {
  const auto value = [&](const char* name) {
    return variable(name).value_or("");
  };
  const auto first_set = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (std::string text = value(name); !text.empty()) {
        return EnvironmentVariable{name, std::move(text)};
      }
    }
    return EnvironmentVariable();
  };
  return {
      .home = value("HOME"),
      .path = value("PATH"),
      .xdg_cache_home = value("XDG_CACHE_HOME"),
      .xdg_config_home = value("XDG_CONFIG_HOME"),
      .xdg_runtime_dir = value("XDG_RUNTIME_DIR"),
      .registries_conf = value("CONTAINERS_REGISTRIES_CONF"),
      .registry_auth_file = value("REGISTRY_AUTH_FILE"),
      .container_host = value("CONTAINER_HOST"),
      .docker_config = value("DOCKER_CONFIG"),
      .docker_context = value("DOCKER_CONTEXT"),
      .docker_host = value("DOCKER_HOST"),
      .docker_cert_path = value("DOCKER_CERT_PATH"),
      .docker_tls_verify = value("DOCKER_TLS_VERIFY"),
      .http_proxy = value("http_proxy").empty() ? value("HTTP_PROXY") : "",
      .https_proxy =
          first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}),
      .no_proxy = first_set({"no_proxy", "NO_PROXY"}),
  };
}

}  // namespace imgmount
