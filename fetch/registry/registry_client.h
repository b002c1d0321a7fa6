// SPDX-License-Identifier: Apache-2.0
// RegistryClient: requests to one repository at one endpoint, in the scheme
// that it speaks and with the authorization that it wants. Thread-safe.
//
// Schemes: https. Where plain HTTP may do (the endpoint is insecure, or a
// loopback host) the other one is tried as well, and what answered first is
// kept: on loopback http first, as nearly all registries there speak it, and
// elsewhere https first, so that nothing travels in the clear without need. A
// certificate that is not trusted is accepted from insecure endpoints only,
// loopback or not.
#ifndef IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_
#define IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "fetch/auth/authenticator.h"
#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"

namespace imgmount {

class RegistryClient {
 public:
  // http and credentials outlive the client.
  RegistryClient(HttpClient& http, const Credentials& credentials,
                 Endpoint endpoint);

  const Endpoint& endpoint() const { return endpoint_; }
  // It has answered something: from then on silence is a bad moment.
  bool reached() const { return scheme_ != kUnknown; }

  struct Question {
    std::string path;  // "manifests/latest", below /v2/NAME/
    std::string what;  // for messages: "library/nginx:latest"
    std::vector<std::string> headers = {};
    std::function<bool()> stopped = {};
    std::string method = "GET";
  };
  // A success, or TransportError; see HttpClient for `limit` and `body`.
  Attempt<HttpResponse> Fetch(const Question& question, size_t limit);
  Attempt<HttpResponse> Stream(const Question& question, HttpBody& body);

 private:
  enum Scheme { kUnknown, kHttp, kHttps };

  using Send = std::function<Attempt<HttpResponse>(const HttpRequest&)>;
  Attempt<HttpResponse> Ask(const Question& question, const Send& send);
  Attempt<HttpResponse> AskIn(Scheme scheme, const Question& question,
                              const Send& send);

  HttpClient& http_;
  const Endpoint endpoint_;
  Authenticator authenticator_;
  std::atomic<Scheme> scheme_ = kUnknown;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_
