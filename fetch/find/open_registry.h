// SPDX-License-Identifier: Apache-2.0
// A registry as a source, with endpoints and logins as the configuration says.
#ifndef IMGMOUNT_FETCH_FIND_OPEN_REGISTRY_H_
#define IMGMOUNT_FETCH_FIND_OPEN_REGISTRY_H_

#include <memory>

#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/find/fetch_config.h"
#include "fetch/source/source.h"
#include "meta/base/result.h"
#include "meta/image/reference.h"

namespace imgmount {

Result<Credentials> LoadCredentials(const FetchConfig& config,
                                    const RegistriesConf& conf);

// Makes no request. Where none are allowed, a source that has nothing.
Result<std::unique_ptr<Source>> OpenRegistry(const Reference& reference,
                                             const RegistriesConf& conf,
                                             const FetchConfig& config);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_OPEN_REGISTRY_H_
