// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/open_registry.h"

#include <utility>
#include <vector>

#include "fetch/config/endpoints.h"
#include "fetch/registry/registry_source.h"
#include "fetch/source/offline_source.h"

namespace imgmount {

Result<Credentials> LoadCredentials(const FetchConfig& config,
                                    const RegistriesConf& conf) {
  Credentials::Options sources{.creds = config.creds,
                               .authfile = config.authfile};
  if (!conf.credential_helpers().empty()) {
    sources.helpers = conf.credential_helpers();
    sources.helpers_file = conf.credential_helpers_file();
  }
  return Credentials::Load(sources, config.environment);
}

Result<std::unique_ptr<Source>> OpenRegistry(const Reference& reference,
                                             const RegistriesConf& conf,
                                             const FetchConfig& config) {
  if (!config.AllowsRequests()) {
    return std::make_unique<OfflineSource>(config.offline ? "--offline"
                                                          : "--pull=never");
  }
  IMGMOUNT_TRY(
      std::vector<Endpoint> endpoints,
      FindEndpoints(reference, conf, config.tls_verify, config.environment));
  IMGMOUNT_TRY(Credentials credentials, LoadCredentials(config, conf));
  RegistrySource::Options options;
  if (config.stall_timeout) options.http.stall_timeout = *config.stall_timeout;
  options.http.stopped = StoppedBy(config.pull_options.cancel);
  options.http.http_proxy = config.environment.http_proxy;
  auto source = std::make_unique<RegistrySource>(
      endpoints, std::move(credentials), std::move(options));
  source->Listen(config.listener.get());
  return source;
}

}  // namespace imgmount
