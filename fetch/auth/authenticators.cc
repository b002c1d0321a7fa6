// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/authenticators.h"

#include <string_view>

namespace imgmount {
namespace {

// A registry that sends us to ever new hosts is not followed for ever.
constexpr size_t kMaxElsewhere = 16;

// The repository in "/v2/NAME/manifests/TAG" or "/v2/NAME/blobs/DIGEST"; `same`
// for any other path.
std::string RepositoryIn(std::string_view path, const std::string& same) {
  constexpr std::string_view kRoot = "/v2/";
  for (const std::string_view kind : {"/manifests/", "/blobs/"}) {
    const size_t end = path.rfind(kind);
    if (end == std::string_view::npos) continue;
    const size_t root = path.find(kRoot);
    if (root == std::string_view::npos || root + kRoot.size() >= end) continue;
    return std::string(
        path.substr(root + kRoot.size(), end - root - kRoot.size()));
  }
  return same;
}

}  // namespace

struct Authenticators::Elsewhere {
  Elsewhere(HttpClient& http, const Credentials& credentials, Endpoint where)
      : endpoint(std::move(where)),
        authenticator(http, credentials, endpoint) {}

  const Endpoint endpoint;
  Authenticator authenticator;
};

Authenticators::Authenticators(HttpClient& http, const Credentials& credentials,
                               const Endpoint& endpoint)
    : http_(http),
      credentials_(credentials),
      endpoint_(endpoint),
      own_(http, credentials, endpoint) {}

Authenticators::~Authenticators() = default;

Authenticator* Authenticators::For(const Url& asked, const Url& refused) {
  if (refused.origin() == asked.origin()) return &own_;
  const bool may_be_heard =
      !refused.secure() &&
      (asked.secure() ||
       !(endpoint_.insecure || IsLoopback(refused.authority())));
  if (may_be_heard) return nullptr;

  const MutexLock lock(mutex_);
  const auto found = elsewhere_.find(refused.origin());
  if (found != elsewhere_.end()) return &found->second->authenticator;
  if (elsewhere_.size() >= kMaxElsewhere) return nullptr;
  Endpoint where{
      .registry = RegistryAt(refused.authority()),
      .repository = RepositoryIn(refused.path(), endpoint_.repository),
      .insecure = endpoint_.insecure,
      .mirror = true,  // not the registry in the image's name
      .tls = {.place = endpoint_.tls.place,
              .authorities = endpoint_.tls.authorities}};
  auto made =
      std::make_unique<Elsewhere>(http_, credentials_, std::move(where));
  return &elsewhere_.emplace(refused.origin(), std::move(made))
              .first->second->authenticator;
}

std::string Authenticators::At(const Url& asked, const Url& target) {
  if (target.origin() == asked.origin()) return own_.current();
  const MutexLock lock(mutex_);
  const auto found = elsewhere_.find(target.origin());
  return found == elsewhere_.end() ? ""
                                   : found->second->authenticator.current();
}

}  // namespace imgmount
