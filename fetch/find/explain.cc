// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "fetch/auth/credentials.h"
#include "fetch/config/endpoints.h"
#include "fetch/engine/engine_address.h"
#include "fetch/find/candidates.h"
#include "fetch/find/image_id.h"
#include "fetch/find/open_registry.h"
#include "fetch/http/url.h"
#include "fetch/source/transport.h"
#include "meta/store/cache.h"

namespace imgmount {
namespace {

std::string Because(const std::string& reason) {
  return reason.empty() ? "" : " (" + reason + ")";
}

std::string AddressOf(const Endpoint& endpoint) {
  const bool loopback = IsLoopback(endpoint.registry);
  const char* scheme = loopback ? "http" : "https";
  std::string text = fmt::format("{}://{}{}/{}", scheme, ApiHost(endpoint),
                                 endpoint.api_root, endpoint.repository);
  if (loopback) {
    text += ", else https";
  } else if (endpoint.insecure) {
    text += ", else http";
  }
  if (!endpoint.can_resolve) text += "; not asked for tags";
  if (!endpoint.can_pull) text += "; not asked for blobs";
  return text;
}

Result<std::string> LoginOf(const Endpoint& endpoint,
                            const Credentials& credentials) {
  IMGMOUNT_TRY(const auto place, credentials.Locate(endpoint));
  if (!place) {
    return fmt::format("none, anonymous (looked in {})",
                       fmt::join(credentials.files(), ", "));
  }
  const AuthEntry& entry = place->entry;
  if (!entry.helper.empty()) {
    return fmt::format("what docker-credential-{} has for {} (named in {})",
                       entry.helper, entry.key, place->file);
  }
  const bool token = !entry.credential.identity_token.empty();
  return fmt::format("{} of {} in {}", token ? "refresh token" : "password",
                     entry.key, place->file);
}

std::string CertificatesOf(const Endpoint& endpoint, bool tls_verify) {
  std::string text;
  if (!tls_verify) {
    text = "any (--tls-verify=false)";
  } else if (endpoint.insecure) {
    text = "any" + Because("insecure: " + endpoint.source);
  } else {
    text = "the system's CAs";
    if (!endpoint.tls.authorities.empty()) {
      text += " and those of " + endpoint.tls.place;
    }
  }
  if (!endpoint.tls.client_certificate.empty()) {
    text += "; the client's is " + endpoint.tls.client_certificate;
  }
  return text;
}

// A proxy's address may hold a password.
std::string WithoutLogin(std::string address) {
  const size_t at = address.rfind('@');
  if (at == std::string::npos) return address;
  const size_t scheme = address.find("://");
  const size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  return address.erase(start, at + 1 - start);
}

std::string ProxyOf(const Endpoint& endpoint,
                    const FetchEnvironment& environment) {
  if (IsLoopback(endpoint.registry)) return "none (loopback)";
  const EnvironmentVariable& proxy = environment.https_proxy;
  if (proxy.value.empty()) return "none";
  std::string text =
      fmt::format("{} ({})", WithoutLogin(proxy.value), proxy.name);
  const EnvironmentVariable& exceptions = environment.no_proxy;
  if (!exceptions.value.empty()) {
    text += fmt::format(", unless {} names the host ({})", exceptions.name,
                        exceptions.value);
  }
  return text;
}

std::string CacheOf(const Reference& reference, const FetchConfig& config) {
  const std::filesystem::path& folder = config.cache_folder;
  std::string text = folder.string();
  std::error_code error;
  bool there = false;
  if (std::filesystem::exists(folder / "index.json", error)) {
    const auto cache = Cache::Open(folder);
    there = cache && cache->Find(reference, config.platform.value_or(
                                                Platform::OfThisMachine()));
  }
  if (!there) {
    return text + " does not have it" +
           (config.AllowsRequests() ? "" : ", and requests are forbidden");
  }
  if (config.pull == PullPolicy::kAlways && !config.offline) {
    return text + " has it; the registry is asked whether that is still so";
  }
  return text + " has it: no request is made";
}

}  // namespace

Result<std::string> ExplainImage(const std::string& text,
                                 const FetchConfig& config) {
  IMGMOUNT_TRY(const auto by_id, FindById(text, config.cache_folder));
  const std::string& image = by_id ? by_id->name : text;
  IMGMOUNT_TRY(const ImageName parsed, ImageName::Parse(image));
  if (parsed.transport == Transport::kDockerDaemon ||
      parsed.transport == Transport::kContainersStorage) {
    IMGMOUNT_TRY(const EngineAddress engine,
                 FindEngine(parsed.transport, config.environment));
    return fmt::format("{}: from the engine at {}{}; no registry is asked\n",
                       image, engine.name, Because(engine.why));
  }
  if (parsed.transport != Transport::kRegistry) {
    return fmt::format("{}: on this machine; no registry is asked\n", image);
  }
  IMGMOUNT_TRY(
      const RegistriesConf conf,
      RegistriesConf::Load(config.registries_conf, config.environment));
  IMGMOUNT_TRY(const auto candidates, CandidatesFor(parsed, conf));
  IMGMOUNT_TRY(const Credentials credentials, LoadCredentials(config, conf));
  std::string lines;
  for (const Candidate& candidate : candidates) {
    const Reference& reference = candidate.reference;
    lines += fmt::format("image: {}{}\n", reference.Canonical(),
                         Because(candidate.why));
    lines += fmt::format("cache: {}\n", CacheOf(reference, config));
    IMGMOUNT_TRY(
        const auto endpoints,
        FindEndpoints(reference, conf, config.tls_verify, config.environment));
    for (const Endpoint& endpoint : endpoints) {
      IMGMOUNT_TRY(const std::string login, LoginOf(endpoint, credentials));
      lines += fmt::format(
          "endpoint: {}{}\n  login: {}\n  certificates: {}\n  proxy: {}\n",
          AddressOf(endpoint), Because(endpoint.source), login,
          CertificatesOf(endpoint, config.tls_verify),
          ProxyOf(endpoint, config.environment));
    }
  }
  return lines;
}

}  // namespace imgmount
