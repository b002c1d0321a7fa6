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
#include <string>

#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"
#include "meta/base/mutex.h"

namespace imgmount {

class Authenticator {
 public:
  // All of them outlive the authenticator.
  Authenticator(HttpClient& http, const Credentials& credentials,
                const Endpoint& endpoint);

  // The header's value for the next request; "": none.
  std::string current();

  // A request with `used` was answered by `refusal`, a 401. The value to try
  // again with, never `used`; kDenied when there is none.
  Attempt<std::string> Renew(const std::string& used,
                             const HttpResponse& refusal,
                             const std::function<bool()>& stopped);

  // For a login that was sent and refused.
  TransportError WrongLogin() const;

 private:
  using Params = std::map<std::string, std::string>;
  Attempt<std::string> FetchToken(const Params& challenge,
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
