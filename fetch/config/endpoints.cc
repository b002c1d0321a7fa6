// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/endpoints.h"

#include <optional>
#include <utility>

#include "fetch/config/certs_d.h"
#include "fetch/config/hosts_toml.h"

namespace imgmount {

Result<std::vector<Endpoint>> FindEndpoints(
    const Reference& reference, const RegistriesConf& conf, bool tls_verify,
    const FetchEnvironment& environment) {
  std::optional<std::vector<Endpoint>> endpoints;
  if (!conf.Knows(reference)) {
    IMGMOUNT_TRY(endpoints, EndpointsOfHostsToml(reference, environment));
  }
  if (!endpoints) {
    IMGMOUNT_TRY(endpoints, conf.EndpointsFor(reference));
  }
  for (Endpoint& endpoint : *endpoints) {
    if (endpoint.tls == TlsFiles()) {
      IMGMOUNT_TRY(endpoint.tls,
                   FindCertificates(endpoint.registry, environment));
    }
    if (!tls_verify) endpoint.insecure = true;
  }
  return *std::move(endpoints);
}

}  // namespace imgmount
