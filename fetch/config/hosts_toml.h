// SPDX-License-Identifier: Apache-2.0
// hosts.toml: containerd's settings of one registry (its docs/hosts.md), also
// read by nerdctl and BuildKit: mirrors, certificates, headers.
#ifndef IMGMOUNT_FETCH_CONFIG_HOSTS_TOML_H_
#define IMGMOUNT_FETCH_CONFIG_HOSTS_TOML_H_

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "fetch/config/environment.h"
#include "fetch/config/registries_conf.h"
#include "meta/base/result.h"
#include "meta/image/reference.h"

namespace imgmount {

// The endpoints in the first of these files that exists:
// HOST[:PORT]/hosts.toml, _default/hosts.toml in ~/.config/containerd/certs.d,
// then in /etc/containerd/certs.d. The hosts in their order, then the server
// itself; nullopt where there is no such file.
Result<std::optional<std::vector<Endpoint>>> EndpointsOfHostsToml(
    const Reference& reference, const FetchEnvironment& environment);

// The endpoints in the text of such a file; its certificates are relative to
// `path`, where it lies. kUsage names file and line.
Result<std::vector<Endpoint>> ParseHostsToml(std::string_view toml,
                                             const std::filesystem::path& path,
                                             const Reference& reference);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_HOSTS_TOML_H_
