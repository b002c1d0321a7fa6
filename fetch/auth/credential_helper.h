// SPDX-License-Identifier: Apache-2.0
// Credential helpers: programs docker-credential-NAME that keep logins in a
// keyring (the protocol of docker/docker-credential-helpers: the registry on
// stdin, a JSON object on stdout).
#ifndef IMGMOUNT_FETCH_AUTH_CREDENTIAL_HELPER_H_
#define IMGMOUNT_FETCH_AUTH_CREDENTIAL_HELPER_H_

#include <optional>
#include <string>

#include "fetch/auth/auth_file.h"
#include "meta/base/result.h"

namespace imgmount {

// The login that docker-credential-`name` has for a registry; nullopt: none.
// The program is looked for in `path` ("/bin:/usr/bin").
Result<std::optional<Credential>> GetFromHelper(const std::string& name,
                                                const std::string& registry,
                                                const std::string& path);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_CREDENTIAL_HELPER_H_
