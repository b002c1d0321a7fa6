// SPDX-License-Identifier: Apache-2.0
// The endpoints that may have an image, by all the configuration there is.
#ifndef IMGMOUNT_FETCH_CONFIG_ENDPOINTS_H_
#define IMGMOUNT_FETCH_CONFIG_ENDPOINTS_H_

#include <vector>

#include "fetch/config/environment.h"
#include "fetch/config/registries_conf.h"
#include "meta/base/result.h"
#include "meta/image/reference.h"

namespace imgmount {

// The endpoints that registries.conf gives for the image; where it has no
// entry, those of a hosts.toml; else the registry in its name. Certificates are
// those of hosts.toml, else of certs.d. Without `tls_verify` all of them are
// insecure.
Result<std::vector<Endpoint>> FindEndpoints(
    const Reference& reference, const RegistriesConf& conf, bool tls_verify,
    const FetchEnvironment& environment);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_ENDPOINTS_H_
