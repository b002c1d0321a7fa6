// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/auth_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/base/base64.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

using Json = nlohmann::json;

// The name under which Docker keeps the login of docker.io.
constexpr char kDockerHubKey[] = "https://index.docker.io/v1/";

// Keys that serve a repository, best first: its whole name, then what lies
// above it, then the registry.
std::vector<std::string> KeysFor(const std::string& registry,
                                 const std::string& repository) {
  std::vector<std::string> keys;
  for (std::string name = registry + "/" + repository;
       name.size() > registry.size(); name.resize(name.rfind('/'))) {
    keys.push_back(name);
  }
  keys.push_back(registry);
  if (registry == "docker.io") {
    keys.insert(keys.end(), {kDockerHubKey, "index.docker.io"});
  }
  return keys;
}

// "https://host/v1/" is an old way to say "host".
std::string_view Normalised(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!key.starts_with(scheme)) continue;
    key.remove_prefix(scheme.size());
    return key.substr(0, key.find('/'));
  }
  return key;
}

std::string StringAt(const Json& object, const char* key) {
  return StringMember(object, key).value_or("");
}

// The entry of an object for the first key that has one; null for none.
const Json* FindKey(const Json& object, const std::vector<std::string>& keys,
                    std::string& key) {
  for (const std::string& wanted : keys) {
    if (const auto found = object.find(wanted); found != object.end()) {
      key = wanted;
      return &*found;
    }
  }
  for (const std::string& wanted : keys) {
    for (const auto& [written, entry] : object.items()) {
      if (Normalised(written) != wanted) continue;
      key = written;
      return &entry;
    }
  }
  return nullptr;
}

std::optional<Credential> FromEntry(const Json& entry) {
  Credential credential{StringAt(entry, "username"),
                        StringAt(entry, "password"),
                        StringAt(entry, "identitytoken")};
  if (const std::string auth = StringAt(entry, "auth"); !auth.empty()) {
    const std::optional<std::string> text = FromBase64(auth);
    const size_t colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos) return {};
    credential.user = text->substr(0, colon);
    credential.password = text->substr(colon + 1);
  }
  if (credential.user.empty() && credential.identity_token.empty()) return {};
  return credential;
}

// The object of this name; null where there is none.
Result<const Json*> ObjectAt(const Json& config, const char* name,
                             const std::string& file_name) {
  const auto found = config.find(name);
  if (found == config.end() || found->is_null()) return nullptr;
  if (!found->is_object()) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: {} is not an object", file_name, name));
  }
  return &*found;
}

}  // namespace

std::string BasicAuthorization(const Credential& credential) {
  return "Basic " + ToBase64(credential.user + ":" + credential.password);
}

Result<std::optional<AuthEntry>> FindAuthEntry(std::string_view json,
                                               const std::string& file_name,
                                               const std::string& registry,
                                               const std::string& repository) {
  const auto parsed = ParseJson(json, file_name, kMaxAuthFileBytes);
  if (!parsed) return Fail(ErrorCode::kUsage, parsed.error().message());
  const Json& config = *parsed;
  if (!config.is_object()) {
    return Fail(ErrorCode::kUsage, file_name + ": not a JSON object");
  }
  const std::vector<std::string> keys = KeysFor(registry, repository);
  std::optional<AuthEntry> entry(std::in_place);

  IMGMOUNT_TRY(const Json* helpers, ObjectAt(config, "credHelpers", file_name));
  if (helpers != nullptr) {
    const Json* helper = FindKey(*helpers, keys, entry->key);
    if (helper != nullptr && helper->is_string()) {
      entry->helper = helper->get<std::string>();
      return entry;
    }
  }

  IMGMOUNT_TRY(const Json* auths, ObjectAt(config, "auths", file_name));
  const Json* login =
      auths == nullptr ? nullptr : FindKey(*auths, keys, entry->key);
  // Docker leaves an empty entry where the helper for everything has the login.
  if (login != nullptr && login->is_object() && !login->empty()) {
    std::optional<Credential> credential = FromEntry(*login);
    if (!credential) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("{}: the login for {} is not readable; log in "
                              "again",
                              file_name, registry));
    }
    entry->credential = *std::move(credential);
    return entry;
  }

  entry->helper = StringAt(config, "credsStore");
  if (entry->helper.empty()) return std::optional<AuthEntry>();
  if (login == nullptr) {
    entry->key = registry == "docker.io" ? kDockerHubKey : registry;
  }
  return entry;
}

}  // namespace imgmount
