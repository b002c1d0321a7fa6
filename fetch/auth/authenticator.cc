// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/authenticator.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "fetch/auth/challenge.h"
#include "fetch/http/error_body.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

using Kind = TransportError::Kind;

constexpr size_t kMaxTokenAnswer = 1 << 20;

std::string Escape(const std::string& text) {
  char* escaped =
      curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size()));
  std::string copy = escaped == nullptr ? "" : escaped;
  curl_free(escaped);
  return copy;
}

tl::unexpected<TransportError> Denied(std::string message) {
  return FailAttempt(Error(ErrorCode::kDenied, std::move(message)),
                     Kind::kFinal);
}

std::string Param(const std::map<std::string, std::string>& params,
                  const std::string& name) {
  const auto found = params.find(name);
  return found == params.end() ? "" : found->second;
}

// A token goes into a header: anything else in it would be an injection.
bool IsHeaderSafe(const std::string& token) {
  return !token.empty() &&
         std::all_of(token.begin(), token.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::vector<Challenge> ChallengesOf(const HttpResponse& refusal) {
  std::vector<Challenge> known;
  const auto [first, last] = refusal.headers.equal_range("www-authenticate");
  for (auto header = first; header != last; ++header) {
    for (Challenge& challenge : ParseChallenges(header->second)) {
      if (challenge.scheme == "basic" || challenge.scheme == "bearer") {
        known.push_back(std::move(challenge));
      }
    }
  }
  return known;
}

Authenticator::Authenticator(HttpClient& http, const Credentials& credentials,
                             const Endpoint& endpoint)
    : http_(http), credentials_(credentials), endpoint_(endpoint) {}

std::string Authenticator::current() {
  const MutexLock lock(mutex_);
  return current_;
}

bool Authenticator::HasLogin() const {
  const auto found = credentials_.Find(endpoint_);
  return found && found->has_value();
}

Attempt<std::string> Authenticator::Renew(
    const std::string& used, const std::vector<Challenge>& challenges,
    std::set<std::string>& scopes, const std::function<bool()>& stopped) {
  const MutexLock lock(mutex_);
  if (current_ != used) return current_;

  const auto first_of = [&](const char* scheme) {
    const auto found =
        std::find_if(challenges.begin(), challenges.end(),
                     [&](const Challenge& it) { return it.scheme == scheme; });
    return found == challenges.end() ? nullptr : &*found;
  };
  const Challenge* const bearer = first_of("bearer");
  const Challenge* const basic = first_of("basic");
  IMGMOUNT_ATTEMPT(const std::optional<Credential> credential,
                   credentials_.Find(endpoint_));
  std::string renewed;
  if (bearer) {
    IMGMOUNT_ATTEMPT(
        renewed, NewToken(used, bearer->params, credential, scopes, stopped));
    if (renewed.empty()) return renewed;
  } else if (basic && credential && !credential->user.empty()) {
    renewed = BasicAuthorization(*credential);
  } else if (basic) {
    return Denied(fmt::format("{}: access denied; log in with `{}`",
                              endpoint_.registry,
                              LoginCommand(endpoint_.registry)));
  } else {
    return Denied(fmt::format(
        "{}: access denied, and it names no way to log in that is known here",
        endpoint_.registry));
  }
  if (renewed == used) return tl::unexpected(WrongLogin());
  current_ = renewed;
  return renewed;
}

TransportError Authenticator::WrongLogin() const {
  return {Error(ErrorCode::kDenied,
                fmt::format("{}: wrong user name or password, or no right to "
                            "pull {}; log in again with `{}`",
                            endpoint_.registry, endpoint_.repository,
                            LoginCommand(endpoint_.registry))),
          Kind::kFinal};
}

Attempt<std::string> Authenticator::NewToken(
    const std::string& used, const Params& challenge,
    const std::optional<Credential>& credential, std::set<std::string>& scopes,
    const std::function<bool()>& stopped) {
  std::optional<TransportError> denied;
  for (const std::string& scope :
       {Param(challenge, "scope"),
        "repository:" + endpoint_.repository + ":pull"}) {
    if (scope.empty() || !scopes.insert(scope).second) continue;
    auto token = FetchToken(challenge, scope, credential, stopped);
    if (token && *token == used) continue;
    if (token || token.error().error.code() != ErrorCode::kDenied) return token;
    denied = std::move(token).error();
  }
  if (denied) return tl::unexpected(*std::move(denied));
  return "";
}

// The Docker registry token protocol (distribution's token.md).
Attempt<std::string> Authenticator::FetchToken(
    const Params& challenge, const std::string& scope,
    const std::optional<Credential>& credential,
    const std::function<bool()>& stopped) {
  const std::string realm = Param(challenge, "realm");
  std::string query = "scope=" + Escape(scope);
  if (const std::string service = Param(challenge, "service");
      !service.empty()) {
    query = "service=" + Escape(service) + "&" + query;
  }
  // With a refresh token the question is OAuth2's, else a plain one.
  const bool refresh = credential && !credential->identity_token.empty();
  const char* separator = realm.find('?') == std::string::npos ? "?" : "&";
  auto url = Url::Parse(refresh ? realm : realm + separator + query);
  if (!url) {
    return internal::AsTransportError(std::move(url).error().In(
        endpoint_.registry + ": its token server's address"));
  }
  // Passwords and tokens would go over the wire as they are.
  if (!url->secure() && !endpoint_.insecure && !IsLoopback(url->authority())) {
    return Denied(fmt::format(
        "{}: its token server {} does not use https; refused (insecure = true "
        "in registries.conf allows it)",
        endpoint_.registry, url->authority()));
  }
  HttpRequest request{.url = *std::move(url)};
  request.verify_tls = !endpoint_.insecure;
  request.tls = &endpoint_.tls;
  request.client_certificate = request.url.authority() == endpoint_.registry;
  request.stopped = stopped;
  if (refresh) {
    request.method = "POST";
    request.form = "grant_type=refresh_token&client_id=imgmount&" + query +
                   "&refresh_token=" + Escape(credential->identity_token);
  } else if (credential) {
    request.authorization = BasicAuthorization(*credential);
  }
  IMGMOUNT_ATTEMPT(const HttpResponse response,
                   http_.Fetch(request, kMaxTokenAnswer));

  const std::string server = request.url.authority();
  // 400 is how OAuth2 says so (RFC 6749, 5.2).
  if (response.status == 401 || response.status == 403 ||
      (refresh && response.status == 400)) {
    const std::string login =
        fmt::format("`{}`{}", LoginCommand(endpoint_.registry),
                    InParentheses(RegistryMessage(response)));
    if (refresh) {
      return Denied(fmt::format(
          "{}: the login has expired or was withdrawn; log in again with {}",
          server, login));
    }
    if (credential) {
      return Denied(
          fmt::format("{}: wrong user name or password; log in again with {}",
                      server, login));
    }
    return Denied(fmt::format("{}: access to {} denied; log in with {}", server,
                              endpoint_.repository, login));
  }
  if (!response.ok()) {
    return tl::unexpected(StatusError(response, server, "a token"));
  }
  const auto answer =
      ParseJson(response.body, server, kMaxTokenAnswer).value_or(nullptr);
  for (const char* key : {"access_token", "token"}) {
    const auto token = StringMember(answer, key);
    if (token && IsHeaderSafe(*token)) return "Bearer " + *token;
  }
  return FailAttempt(Error(ErrorCode::kCorrupt,
                           server + ": its answer holds no readable token"),
                     Kind::kFinal);
}

}  // namespace imgmount
