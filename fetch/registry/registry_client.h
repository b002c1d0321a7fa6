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
//
// Authorization: nothing is sent until somebody asks. Who sends us on to
// another registry is followed there, with that one's login. Some registries
// tell strangers only at /v2/ that there is something to log in to, and deny
// everything else; who has a login for one is not taken for a stranger.
//
// Where a redirect has led to a blob, that is asked first from then on, so that
// each range of it costs one request. Such addresses expire: when one is no
// good any more, the registry is asked for another at once.
#ifndef IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_
#define IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetch/auth/authenticators.h"
#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"
#include "fetch/http/url.h"
#include "meta/base/mutex.h"

namespace imgmount {

class RegistryClient {
 public:
  // http and credentials outlive the client. `on_warning` is called, from any
  // thread that asks, with what the registry wants people to read.
  RegistryClient(HttpClient& http, const Credentials& credentials,
                 Endpoint endpoint,
                 std::function<void(const std::string&)> on_warning);

  const Endpoint& endpoint() const { return endpoint_; }
  // It has answered something: from then on silence is a bad moment.
  bool reached() const { return scheme_ != kUnknown; }

  struct Question {
    std::string path;  // "manifests/latest", below /v2/NAME/
    std::string what;  // for messages: "library/nginx:latest"
    std::vector<std::string> headers = {};
    std::function<bool()> stopped = {};
    std::string method = "GET";
    bool decode = true;  // see HttpRequest
  };
  // A success, or TransportError; see HttpClient for `limit` and `body`.
  Attempt<HttpResponse> Fetch(const Question& question, size_t limit);
  // Fetches a blob, whose bytes are checked by whoever gets them.
  Attempt<HttpResponse> Stream(const Question& question, HttpBody& body);

 private:
  enum Scheme { kUnknown, kHttp, kHttps };
  class PlaceFinder;

  using Send = std::function<Attempt<HttpResponse>(const HttpRequest&)>;
  Attempt<HttpResponse> Ask(const Question& question, const Send& send);
  Attempt<HttpResponse> AskIn(Scheme scheme, const Question& question,
                              const Send& send);
  Attempt<HttpResponse> StreamFrom(const Url& place, const Question& question,
                                   HttpBody& body);
  // As it is sent to the endpoint at first.
  Attempt<HttpRequest> RequestFor(Scheme scheme, const Question& question);
  // To the endpoint, at what stands below its /v2/.
  Attempt<HttpRequest> MakeRequest(Scheme scheme, const std::string& path,
                                   const Question& question) const;
  // Whether `asked` may be answered otherwise now: there is a new authorization
  // for who gave that answer. `scopes` as for Authenticator::Renew().
  Attempt<bool> Renew(const HttpRequest& asked, const HttpResponse& answer,
                      const Question& question, std::set<std::string>& scopes);
  // The challenges of /v2/ to somebody without a login; none where that is not
  // that one is needed.
  Attempt<std::vector<Challenge>> Ping(const Question& question);
  void TellWarnings(const HttpResponse& answer);
  TransportError ErrorOf(const HttpRequest& asked, const HttpResponse& answer,
                         const Question& question);

  std::optional<Url> PlaceOf(const std::string& path);
  void ForgetPlaceOf(const std::string& path, const Url& place);

  HttpClient& http_;
  const Endpoint endpoint_;
  const std::function<void(const std::string&)> on_warning_;
  Authenticators authenticators_;
  std::atomic<Scheme> scheme_ = kUnknown;
  std::atomic<bool> pinged_ = false;
  Mutex mutex_;
  // By a question's path, where a redirect led.
  std::map<std::string, Url> places_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_REGISTRY_CLIENT_H_
