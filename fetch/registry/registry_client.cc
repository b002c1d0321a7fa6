// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry_client.h"

#include <fmt/format.h>

#include "fetch/http/error_body.h"
#include "fetch/http/warning.h"

namespace imgmount {
namespace {

using Kind = TransportError::Kind;

// A token of the challenge's scope, one of our own, and for once one that
// expired.
constexpr int kMaxRenewals = 3;
constexpr size_t kMaxPong = 64 << 10;

// Whether another address may do better. Storage servers have many words for
// one that has expired: 400, 401, 403, 404, 410.
bool IsOfItsAddress(const TransportError& error) {
  return error.kind == Kind::kConnect ||
         (error.status >= 400 && error.status < 500 && error.status != 408 &&
          error.status != 429);
}

}  // namespace

// Notes where an answer comes from as it begins, so that who asks for another
// range meanwhile goes there.
class RegistryClient::PlaceFinder : public HttpBody {
 public:
  PlaceFinder(RegistryClient& client, const std::string& path, const Url& asked,
              HttpBody& body)
      : client_(client), path_(path), asked_(asked), body_(body) {}

  Attempt<void> Begin(const HttpResponse& response) override {
    if (response.url.text() != asked_.text()) {
      const MutexLock lock(client_.mutex_);
      client_.places_.insert_or_assign(path_, response.url);
    }
    return body_.Begin(response);
  }
  Attempt<void> Write(std::span<const std::byte> bytes) override {
    return body_.Write(bytes);
  }

 private:
  RegistryClient& client_;
  const std::string& path_;
  const Url& asked_;
  HttpBody& body_;
};

RegistryClient::RegistryClient(
    HttpClient& http, const Credentials& credentials, Endpoint endpoint,
    std::function<void(const std::string&)> on_warning)
    : http_(http),
      endpoint_(std::move(endpoint)),
      on_warning_(std::move(on_warning)),
      authenticators_(http, credentials, endpoint_) {}

Attempt<HttpResponse> RegistryClient::Fetch(const Question& question,
                                            size_t limit) {
  return Ask(question, [&](const HttpRequest& request) {
    return http_.Fetch(request, limit);
  });
}

Attempt<HttpResponse> RegistryClient::Stream(const Question& question,
                                             HttpBody& body) {
  if (const auto place = PlaceOf(question.path); place && reached()) {
    auto answer = StreamFrom(*place, question, body);
    if (answer || answer.error().kind == Kind::kStop) return answer;
    ForgetPlaceOf(question.path, *place);
    if (!IsOfItsAddress(answer.error())) return answer;
  }
  return Ask(question, [&](HttpRequest request) {
    request.may_leave_https = endpoint_.insecure;
    PlaceFinder finder(*this, question.path, request.url, body);
    return http_.Stream(request, finder);
  });
}

Attempt<HttpResponse> RegistryClient::StreamFrom(const Url& place,
                                                 const Question& question,
                                                 HttpBody& body) {
  IMGMOUNT_ATTEMPT(HttpRequest request, RequestFor(scheme_, question));
  request.may_leave_https = endpoint_.insecure;
  if (auto redirected = request.Redirect(place); !redirected) {
    return tl::unexpected(std::move(redirected).error());
  }
  IMGMOUNT_ATTEMPT(HttpResponse response, http_.Stream(request, body));
  if (response.ok()) return response;
  return tl::unexpected(
      StorageError(response, endpoint_.registry, question.what));
}

std::optional<Url> RegistryClient::PlaceOf(const std::string& path) {
  const MutexLock lock(mutex_);
  const auto found = places_.find(path);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

// Unless another one has been found meanwhile.
void RegistryClient::ForgetPlaceOf(const std::string& path, const Url& place) {
  const MutexLock lock(mutex_);
  const auto found = places_.find(path);
  if (found != places_.end() && found->second.text() == place.text()) {
    places_.erase(found);
  }
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
  // Without a port in its name, http and https are different doors. Who speaks
  // TLS is not silent when it hears plain HTTP.
  const TransportError& trouble = answer.error();
  if (trouble.kind == Kind::kStop ||
      trouble.error.code() == ErrorCode::kDenied ||
      (trouble.silence && first == kHttp)) {
    return answer;
  }
  auto other = AskIn(second, question, send);
  // Who has a bad moment in the other scheme speaks it: a TLS server that wants
  // a client's certificate, say, which greets plain HTTP with a 400.
  const bool tells_more = other || reached() ||
                          other.error().kind == Kind::kFinal ||
                          other.error().kind == Kind::kTransient ||
                          other.error().kind == Kind::kStop;
  return tells_more ? std::move(other) : std::move(answer);
}

Attempt<HttpResponse> RegistryClient::AskIn(Scheme scheme,
                                            const Question& question,
                                            const Send& send) {
  IMGMOUNT_ATTEMPT(HttpRequest request, RequestFor(scheme, question));
  IMGMOUNT_ATTEMPT(HttpResponse response, send(request));

  if (scheme == kHttp && !reached() && response.status == 400) {
    // How TLS servers greet plain HTTP. If this is none, these are its words.
    TransportError refusal = ErrorOf(request, response, question);
    refusal.kind = Kind::kProtocol;
    return tl::unexpected(std::move(refusal));
  }
  scheme_ = scheme;
  std::set<std::string> scopes;
  for (int renewals = 0; renewals < kMaxRenewals; ++renewals) {
    IMGMOUNT_ATTEMPT(const bool renewed,
                     Renew(request, response, question, scopes));
    if (!renewed) break;
    request.authorization = authenticators_.own().current();
    IMGMOUNT_ATTEMPT(response, send(request));
  }
  TellWarnings(response);
  if (response.ok()) return response;
  return tl::unexpected(ErrorOf(request, response, question));
}

Attempt<HttpRequest> RegistryClient::RequestFor(Scheme scheme,
                                                const Question& question) {
  IMGMOUNT_ATTEMPT(
      HttpRequest request,
      MakeRequest(scheme, endpoint_.repository + "/" + question.path,
                  question));
  request.method = question.method;
  request.headers = question.headers;
  request.decode = question.decode;
  request.authorization_at = [this, asked = request.url](const Url& target) {
    return authenticators_.At(asked, target);
  };
  // Before anybody has answered, nothing secret is said.
  if (reached()) request.authorization = authenticators_.own().current();
  return request;
}

Attempt<HttpRequest> RegistryClient::MakeRequest(
    Scheme scheme, const std::string& path, const Question& question) const {
  IMGMOUNT_ATTEMPT(
      Url url,
      Url::Parse(fmt::format(
          "{}://{}{}/{}{}", scheme == kHttp ? "http" : "https",
          ApiHost(endpoint_), endpoint_.api_root, path,
          endpoint_.name_space.empty() ? "" : "?ns=" + endpoint_.name_space)));
  HttpRequest request{.url = std::move(url)};
  request.origin_headers = endpoint_.headers;
  request.verify_tls = !endpoint_.insecure;
  request.tls = &endpoint_.tls;
  request.client_certificate = true;
  request.stopped = question.stopped;
  return request;
}

Attempt<bool> RegistryClient::Renew(const HttpRequest& asked,
                                    const HttpResponse& answer,
                                    const Question& question,
                                    std::set<std::string>& scopes) {
  const bool is_own = answer.url.origin() == asked.url.origin();
  std::vector<Challenge> challenges;
  if (answer.status == 401) {
    challenges = ChallengesOf(answer);
    if (challenges.empty() && is_own) {
      IMGMOUNT_ATTEMPT(challenges, Ping(question));
    }
  } else if ((answer.status == 403 || answer.status == 404) && is_own &&
             answer.authorization.empty() && authenticators_.own().HasLogin() &&
             !pinged_.exchange(true)) {
    IMGMOUNT_ATTEMPT(challenges, Ping(question));
    if (challenges.empty()) return false;
  } else {
    return false;
  }
  Authenticator* const authenticator =
      authenticators_.For(asked.url, answer.url);
  // Storage that does not say what it wants is a matter of its address.
  if (authenticator == nullptr || (challenges.empty() && !is_own)) return false;
  IMGMOUNT_ATTEMPT(const std::string renewed,
                   authenticator->Renew(answer.authorization, challenges,
                                        scopes, question.stopped));
  return !renewed.empty();
}

Attempt<std::vector<Challenge>> RegistryClient::Ping(const Question& question) {
  IMGMOUNT_ATTEMPT(const HttpRequest request,
                   MakeRequest(scheme_, "", question));
  const auto pong = http_.Fetch(request, kMaxPong);
  if (!pong) {
    if (pong.error().kind == Kind::kStop) return tl::unexpected(pong.error());
    return std::vector<Challenge>();
  }
  if (pong->status != 401 || pong->redirected) return std::vector<Challenge>();
  std::vector<Challenge> challenges = ChallengesOf(*pong);
  // It is not about our repository.
  for (Challenge& challenge : challenges) challenge.params.erase("scope");
  return challenges;
}

void RegistryClient::TellWarnings(const HttpResponse& answer) {
  const auto [first, last] = answer.headers.equal_range("warning");
  for (auto header = first; header != last; ++header) {
    for (const std::string& text : ParseWarnings(header->second)) {
      on_warning_(answer.url.authority() + ": " + text);
    }
  }
}

TransportError RegistryClient::ErrorOf(const HttpRequest& asked,
                                       const HttpResponse& answer,
                                       const Question& question) {
  const bool by_registry =
      !answer.redirected || answer.url.path().ends_with("/" + question.path);
  if (!by_registry) {
    return StorageError(answer, endpoint_.registry, question.what);
  }
  if (answer.url.origin() == asked.url.origin()) {
    return StatusError(answer, endpoint_.registry, question.what);
  }
  return StatusError(
      answer, answer.url.authority(),
      fmt::format("{} ({} sent us there)", question.what, endpoint_.registry));
}

}  // namespace imgmount
