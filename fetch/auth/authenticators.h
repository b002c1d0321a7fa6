// SPDX-License-Identifier: Apache-2.0
// Authenticators: one for a registry, and one for every other registry that it
// sends us to and that wants a login of its own.
//
// A login belongs to the host it was made for: what is sent elsewhere is found
// by that host's name (--creds is for the registry in the image's name alone),
// only after that host has asked, and never in the clear unless the registry is
// insecure or the host is this machine. Thread-safe.
#ifndef IMGMOUNT_FETCH_AUTH_AUTHENTICATORS_H_
#define IMGMOUNT_FETCH_AUTH_AUTHENTICATORS_H_

#include <map>
#include <memory>
#include <string>

#include "fetch/auth/authenticator.h"
#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"
#include "fetch/http/url.h"
#include "meta/base/mutex.h"

namespace imgmount {

class Authenticators {
 public:
  // All of them outlive it.
  Authenticators(HttpClient& http, const Credentials& credentials,
                 const Endpoint& endpoint);
  ~Authenticators();

  Authenticator& own() { return own_; }

  // For who refused at `refused` a request that was made to the registry at
  // `asked`. Null: nothing may be said there.
  Authenticator* For(const Url& asked, const Url& refused);

  // The header's value at `target`; "" for who has not asked.
  std::string At(const Url& asked, const Url& target);

 private:
  struct Elsewhere;

  HttpClient& http_;
  const Credentials& credentials_;
  const Endpoint& endpoint_;
  Authenticator own_;
  Mutex mutex_;
  // By origin.
  std::map<std::string, std::unique_ptr<Elsewhere>> elsewhere_
      GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_AUTHENTICATORS_H_
