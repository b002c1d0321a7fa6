// SPDX-License-Identifier: Apache-2.0
// Authenticator: what to put into the Authorization header of requests to one
// repository of one registry.
//
// Nothing is sent until the registry asks (401). A Bearer token is then kept
// for all further requests and renewed when the registry refuses it, as
// happens when it expires in mid-pull. Thread-safe: of several workers that are
// refused at a time, one renews and the others use what it got.
#ifndef IMGMOUNT_FETCH_AUTH_AUTHENTICATOR_H_
#define IMGMOUNT_FETCH_AUTH_AUTHENTICATOR_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetch/auth/challenge.h"
#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"
#include "meta/base/mutex.h"

namespace imgmount {

// The challenges of an answer that are known here: Basic and Bearer.
std::vector<Challenge> ChallengesOf(const HttpResponse& refusal);

class Authenticator {
 public:
  // All of them outlive the authenticator.
  Authenticator(HttpClient& http, const Credentials& credentials,
                const Endpoint& endpoint);

  // The header's value for the next request; "": none.
  std::string current();

  // A request with `used` was refused (401) with these challenges. The value to
  // try again with, never `used`; "" when all has been tried; kDenied when
  // there is none. A token is asked for with the scope that the challenge names
  // (token.md), and if that does not do, with the one that the repository's
  // name makes. `scopes` are those that did not do for this request; it grows.
  Attempt<std::string> Renew(const std::string& used,
                             const std::vector<Challenge>& challenges,
                             std::set<std::string>& scopes,
                             const std::function<bool()>& stopped);

  // Whether there is something to log in with. A login that cannot be read is
  // none.
  bool HasLogin() const;

  // For a login that was sent and refused.
  TransportError WrongLogin() const;

 private:
  using Params = std::map<std::string, std::string>;
  // Tries several scopes one after the other, until one gives a new token.
  Attempt<std::string> NewToken(const std::string& used,
                                const Params& challenge,
                                const std::optional<Credential>& credential,
                                std::set<std::string>& scopes,
                                const std::function<bool()>& stopped);
  Attempt<std::string> FetchToken(const Params& challenge,
                                  const std::string& scope,
                                  const std::optional<Credential>& credential,
                                  const std::function<bool()>& stopped);

  HttpClient& http_;
  const Credentials& credentials_;
  const Endpoint& endpoint_;
  Mutex mutex_;
  std::string current_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_AUTHENTICATOR_H_
