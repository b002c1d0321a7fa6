// SPDX-License-Identifier: Apache-2.0
// Contexts of the docker command: named engines, kept in its folder of
// settings by `docker context create`.
#ifndef IMGMOUNT_FETCH_ENGINE_DOCKER_CONTEXT_H_
#define IMGMOUNT_FETCH_ENGINE_DOCKER_CONTEXT_H_

#include <filesystem>
#include <optional>
#include <string>

#include "fetch/config/environment.h"
#include "meta/base/result.h"

namespace imgmount {

struct DockerContext {
  std::string name;
  std::string host;                  // "unix:///…", "tcp://…"
  std::filesystem::path tls_folder;  // may not exist
  bool skip_tls_verify = false;
};

// $DOCKER_CONFIG, else ~/.docker; "" without a home.
std::filesystem::path DockerFolder(const FetchEnvironment& environment);

// That of $DOCKER_CONTEXT, else the one that `docker context use` chose;
// nullopt: none, or "default". kUsage: there is no such context.
Result<std::optional<DockerContext>> CurrentDockerContext(
    const FetchEnvironment& environment);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ENGINE_DOCKER_CONTEXT_H_
