// SPDX-License-Identifier: Apache-2.0
// AuthFile: a file where logins are kept, by docker login, podman login or
// skopeo login: docker's config.json and containers-auth.json(5), which differ
// in where they lie rather than in what they say.
#ifndef IMGMOUNT_FETCH_AUTH_AUTH_FILE_H_
#define IMGMOUNT_FETCH_AUTH_AUTH_FILE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

struct Credential {
  std::string user = {};
  std::string password = {};
  // An OAuth2 refresh token, used instead of the password.
  std::string identity_token = {};
  bool operator==(const Credential&) const = default;
};

// An entry for a registry: a login, or the program that has it.
struct AuthEntry {
  std::string key = {};  // under which it stands
  Credential credential = {};
  std::string helper = {};  // "pass": docker-credential-pass has it for `key`
  bool operator==(const AuthEntry&) const = default;
};

inline constexpr size_t kMaxAuthFileBytes = 4 << 20;

// The best entry for registry ("docker.io", "localhost:5000") and repository.
// Helpers of the registry go before logins in the file, a longer path before a
// shorter one, the helper for everything last. kUsage names the file when it is
// malformed, never its contents.
Result<std::optional<AuthEntry>> FindAuthEntry(std::string_view json,
                                               const std::string& file_name,
                                               const std::string& registry,
                                               const std::string& repository);

// The value of a Basic Authorization header.
std::string BasicAuthorization(const Credential& credential);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_AUTH_FILE_H_
