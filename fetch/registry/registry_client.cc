// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry_client.h"

#include <fmt/format.h>

#include "fetch/http/error_body.h"

namespace imgmount {
namespace {

using Kind = TransportError::Kind;

}  // namespace

RegistryClient::RegistryClient(HttpClient& http, const Credentials& credentials,
                               Endpoint endpoint)
    : http_(http),
      endpoint_(std::move(endpoint)),
      authenticator_(http, credentials, endpoint_) {}

Attempt<HttpResponse> RegistryClient::Fetch(const Question& question,
                                            size_t limit) {
  return Ask(question, [&](const HttpRequest& request) {
    return http_.Fetch(request, limit);
  });
}

Attempt<HttpResponse> RegistryClient::Stream(const Question& question,
                                             HttpBody& body) {
  return Ask(question, [&](const HttpRequest& request) {
    return http_.Stream(request, body);
  });
}

Attempt<HttpResponse> RegistryClient::Ask(const Question& question,
                                          const Send& send) {
  if (const Scheme known = scheme_; known != kUnknown) {
    return AskIn(known, question, send);
  }
  const bool loopback = IsLoopback(endpoint_.registry);
  if (!endpoint_.insecure && !loopback) {
    return AskIn(kHttps, question, send);
  }
  const Scheme first = loopback ? kHttp : kHttps;
  const Scheme second = loopback ? kHttps : kHttp;
  auto answer = AskIn(first, question, send);
  if (answer || reached()) return answer;
  // Without a port in its name, http and https are different doors.
  const Kind kind = answer.error().kind;
  if (kind == Kind::kStop ||
      answer.error().error.code() == ErrorCode::kDenied) {
    return answer;
  }
  auto other = AskIn(second, question, send);
  const bool tells_more = other || reached() ||
                          other.error().kind == Kind::kFinal ||
                          other.error().kind == Kind::kStop;
  return tells_more ? std::move(other) : std::move(answer);
}

Attempt<HttpResponse> RegistryClient::AskIn(Scheme scheme,
                                            const Question& question,
                                            const Send& send) {
  IMGMOUNT_ATTEMPT(
      Url url,
      Url::Parse(fmt::format(
          "{}://{}{}/{}/{}{}", scheme == kHttp ? "http" : "https",
          ApiHost(endpoint_), endpoint_.api_root, endpoint_.repository,
          question.path,
          endpoint_.name_space.empty() ? "" : "?ns=" + endpoint_.name_space)));
  HttpRequest request{.url = std::move(url)};
  request.method = question.method;
  request.headers = question.headers;
  request.origin_headers = endpoint_.headers;
  request.verify_tls = !endpoint_.insecure;
  request.tls = &endpoint_.tls;
  request.client_certificate = true;
  request.stopped = question.stopped;
  // Before anybody has answered, nothing secret is said.
  if (reached()) request.authorization = authenticator_.current();
  IMGMOUNT_ATTEMPT(HttpResponse response, send(request));

  if (scheme == kHttp && !reached() && response.status == 400) {
    // How TLS servers greet plain HTTP. If this is none, these are its words.
    TransportError refusal =
        StatusError(response, endpoint_.registry, question.what);
    refusal.kind = Kind::kProtocol;
    return tl::unexpected(std::move(refusal));
  }
  scheme_ = scheme;
  if (response.status == 401 && !response.redirected) {
    IMGMOUNT_ATTEMPT(request.authorization,
                     authenticator_.Renew(request.authorization, response,
                                          question.stopped));
    IMGMOUNT_ATTEMPT(response, send(request));
    if (response.status == 401 && request.authorization.starts_with("Basic ")) {
      return tl::unexpected(authenticator_.WrongLogin());
    }
  }
  if (!response.ok()) {
    return tl::unexpected(
        StatusError(response, endpoint_.registry, question.what));
  }
  return response;
}

}  // namespace imgmount
