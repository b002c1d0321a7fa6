// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/registries_conf.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "fetch/config/toml_values.h"
#include "meta/base/file.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFile = 4 << 20;
constexpr char kSystemFolder[] = "/etc/containers";

// Whether `name` ("docker.io/library/nginx") lies under `prefix`; "*.host" is
// any host below it. The number of bytes of `name` that the prefix stands for.
std::optional<size_t> MatchedLength(std::string_view prefix,
                                    std::string_view name) {
  if (prefix.starts_with("*.")) {
    const std::string_view host = name.substr(0, name.find('/'));
    if (!host.ends_with(prefix.substr(1))) return {};
    return host.size();
  }
  if (!name.starts_with(prefix)) return {};
  if (name.size() > prefix.size() && name[prefix.size()] != '/') return {};
  return prefix.size();
}

// As containers/image: no scheme, no trailing slash.
Result<std::string> CheckLocation(std::string location) {
  while (location.ends_with('/')) location.pop_back();
  if (location.find("://") != std::string::npos) {
    return Fail(
        ErrorCode::kUsage,
        fmt::format("location {}: must be a host with an optional path, not a "
                    "URL",
                    location));
  }
  return location;
}

// nullopt: the file does not say.
Result<std::optional<std::vector<std::string>>> SearchRegistries(
    const toml::table& root) {
  constexpr char kKey[] = "unqualified-search-registries";
  if (root.get(kKey) == nullptr) {
    return std::optional<std::vector<std::string>>();
  }
  IMGMOUNT_TRY(auto registries, StringsIn(root, kKey));
  for (const std::string& registry : registries) {
    if (!Reference::NamesRegistry(registry + "/")) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("{}: {} is no registry", kKey, Quoted(registry)));
    }
  }
  return std::optional(std::move(registries));
}

// nullopt: the file does not say.
Result<std::optional<bool>> EnforcesShortNames(const toml::table& root) {
  constexpr char kKey[] = "short-name-mode";
  IMGMOUNT_TRY(const std::string mode, StringIn(root, kKey));
  if (mode.empty()) return std::optional<bool>();
  if (mode == "enforcing") return std::optional(true);
  // Nobody is prompted here, so these two are the same.
  if (mode == "permissive" || mode == "disabled") return std::optional(false);
  return WrongType(*root.get(kKey), kKey,
                   "\"enforcing\", \"permissive\" or \"disabled\"");
}

// Full names, or "", by short ones.
Result<std::map<std::string, std::string>> Aliases(const toml::table& root) {
  std::map<std::string, std::string> aliases;
  const toml::node* node = root.get("aliases");
  if (node == nullptr) return aliases;
  const toml::table* table = node->as_table();
  if (table == nullptr) return WrongType(*node, "aliases", "a table");
  for (const auto& [key, value] : *table) {
    IMGMOUNT_TRY(const std::string text, StringIn(*table, key.str()));
    const auto reference = Reference::Parse(text);
    const bool has_tag =
        text.find(':', text.rfind('/') + 1) != std::string::npos;
    if (!text.empty() && (!reference || !Reference::NamesRegistry(text) ||
                          reference->digest || has_tag)) {
      return Fail(
          ErrorCode::kUsage,
          fmt::format("line {}: alias {}: {} is no registry and name",
                      value.source().begin.line, key.str(), Quoted(text)));
    }
    aliases.emplace(key.str(), text);
  }
  return aliases;
}

Result<bool> AddFile(RegistriesConf& conf, const fs::path& path) {
  auto text = ReadFile(path, kMaxFile);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return false;
    return Failure(std::move(text).error());
  }
  IMGMOUNT_CHECK(conf.Add(*text, path.string()));
  return true;
}

Status AddFolder(RegistriesConf& conf, const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".conf") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) IMGMOUNT_CHECK(AddFile(conf, file));
  return {};
}

constexpr char kDockerHubsHost[] = "registry-1.docker.io";

}  // namespace

std::string ApiHost(const Endpoint& endpoint) {
  return endpoint.registry == "docker.io" ||
                 endpoint.registry == "index.docker.io"
             ? kDockerHubsHost
             : endpoint.registry;
}

std::string RegistryAt(const std::string& api_host) {
  return api_host == kDockerHubsHost ? "docker.io" : api_host;
}

Result<RegistriesConf> RegistriesConf::Load(
    const std::string& explicit_path, const FetchEnvironment& environment) {
  const std::string& home = environment.home;
  const fs::path user_folder =
      home.empty() ? fs::path() : fs::path(home) / ".config/containers";
  const std::string& named =
      explicit_path.empty() ? environment.registries_conf : explicit_path;
  RegistriesConf conf;
  if (!named.empty()) {
    IMGMOUNT_TRY(const bool found, AddFile(conf, named));
    if (!found) {
      return Fail(ErrorCode::kUsage, named + ": no such registries.conf");
    }
  } else {
    bool found = false;
    if (!user_folder.empty()) {
      IMGMOUNT_TRY(found, AddFile(conf, user_folder / "registries.conf"));
    }
    if (!found) {
      IMGMOUNT_CHECK(
          AddFile(conf, fs::path(kSystemFolder) / "registries.conf"));
    }
  }
  IMGMOUNT_CHECK(
      AddFolder(conf, fs::path(kSystemFolder) / "registries.conf.d"));
  if (!user_folder.empty()) {
    IMGMOUNT_CHECK(AddFolder(conf, user_folder / "registries.conf.d"));
  }
  // podman records here which alias a user has chosen.
  const std::string& cache = environment.xdg_cache_home;
  fs::path chosen = "/var/cache";
  if (::geteuid() != 0) {
    chosen = cache.empty() ? fs::path(home) / ".cache" : fs::path(cache);
  }
  IMGMOUNT_CHECK(AddFile(conf, chosen / "containers/short-name-aliases.conf"));
  return conf;
}

Status RegistriesConf::Add(std::string_view text,
                           const std::string& file_name) {
  IMGMOUNT_TRY(const toml::table root, ParseToml(text, file_name));
  auto search = SearchRegistries(root);
  if (!search) return Failure(std::move(search).error().In(file_name));
  if (*search) {
    search_registries_ = **std::move(search);
    search_file_ = file_name;
  }
  auto enforces = EnforcesShortNames(root);
  if (!enforces) return Failure(std::move(enforces).error().In(file_name));
  if (*enforces) enforcing_file_ = **enforces ? file_name : "";
  auto helpers = StringsIn(root, "credential-helpers");
  if (!helpers) return Failure(std::move(helpers).error().In(file_name));
  if (!helpers->empty()) {
    credential_helpers_ = *std::move(helpers);
    credential_helpers_file_ = file_name;
  }
  auto aliases = Aliases(root);
  if (!aliases) return Failure(std::move(aliases).error().In(file_name));
  for (const auto& [name, text] : *aliases) {
    aliases_.erase(name);
    if (text.empty()) continue;  // how a later file takes one back
    aliases_[name] = {text, fmt::format("alias {} in {}", name, file_name)};
  }
  const auto read_place = [](const toml::table& table) -> Result<Place> {
    Place place;
    IMGMOUNT_TRY(std::string location, StringIn(table, "location"));
    IMGMOUNT_TRY(place.location, CheckLocation(std::move(location)));
    IMGMOUNT_TRY(place.insecure, BoolIn(table, "insecure"));
    IMGMOUNT_TRY(const std::string pull, StringIn(table, "pull-from-mirror"));
    if (pull == "digest-only") place.pull = Pull::kDigestOnly;
    if (pull == "tag-only") place.pull = Pull::kTagOnly;
    return place;
  };
  const auto read_registry = [&](const toml::table& table) -> Result<Registry> {
    Registry registry;
    registry.file_name = file_name;
    IMGMOUNT_TRY(std::string prefix, StringIn(table, "prefix"));
    IMGMOUNT_TRY(registry.prefix, CheckLocation(std::move(prefix)));
    IMGMOUNT_TRY(registry.self, read_place(table));
    IMGMOUNT_TRY(registry.blocked, BoolIn(table, "blocked"));
    IMGMOUNT_TRY(registry.mirror_by_digest_only,
                 BoolIn(table, "mirror-by-digest-only"));
    if (registry.prefix.empty()) registry.prefix = registry.self.location;
    if (registry.prefix.empty()) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("line {}: a registry needs a prefix or location",
                              table.source().begin.line));
    }
    IMGMOUNT_TRY(const auto mirrors, TablesIn(table, "mirror"));
    for (const toml::table* mirror : mirrors) {
      IMGMOUNT_TRY(Place place, read_place(*mirror));
      if (place.location.empty()) {
        return Fail(ErrorCode::kUsage,
                    fmt::format("line {}: a mirror needs a location",
                                mirror->source().begin.line));
      }
      registry.mirrors.push_back(std::move(place));
    }
    return registry;
  };

  const auto tables = TablesIn(root, "registry");
  if (!tables) return Failure(tables.error().In(file_name));
  for (const toml::table* table : *tables) {
    auto registry = read_registry(*table);
    if (!registry) return Failure(std::move(registry).error().In(file_name));
    std::erase_if(registries_, [&](const Registry& other) {
      return other.prefix == registry->prefix;
    });
    registries_.push_back(*std::move(registry));
  }
  return {};
}

std::vector<RegistriesConf::FullName> RegistriesConf::FullNamesOf(
    const std::string& short_name) const {
  // Neither aliases nor registries say which tag.
  const size_t end = short_name.find_first_of(":@");
  const std::string name = short_name.substr(0, end);
  const std::string which =
      end == std::string::npos ? "" : short_name.substr(end);
  if (const auto alias = aliases_.find(name); alias != aliases_.end()) {
    return {{alias->second.text + which, alias->second.why}};
  }
  std::vector<FullName> names;
  for (const std::string& registry : search_registries_) {
    names.push_back({fmt::format("{}/{}", registry, short_name),
                     "unqualified-search-registries in " + search_file_});
  }
  if (names.size() > 1 && !enforcing_file_.empty()) {
    for (FullName& full : names) {
      full.why += "; only if it is in the cache, as short-name-mode in " +
                  enforcing_file_ + " is enforcing";
    }
  }
  if (names.empty()) names.push_back({"docker.io/" + short_name, ""});
  return names;
}

bool RegistriesConf::Knows(const Reference& reference) const {
  return Match(reference.registry + "/" + reference.repository) != nullptr;
}

const RegistriesConf::Registry* RegistriesConf::Match(
    const std::string& name) const {
  const Registry* best = nullptr;
  for (const Registry& registry : registries_) {
    if (!MatchedLength(registry.prefix, name)) continue;
    if (best == nullptr || registry.prefix.size() > best->prefix.size()) {
      best = &registry;
    }
  }
  return best;
}

Result<std::vector<Endpoint>> RegistriesConf::EndpointsFor(
    const Reference& reference) const {
  const Endpoint itself{.registry = reference.registry,
                        .repository = reference.repository};
  const std::string name = reference.registry + "/" + reference.repository;
  const Registry* registry = Match(name);
  if (registry == nullptr) return std::vector{itself};
  if (registry->blocked) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is blocked by {}; remove `blocked = true` "
                            "there to allow it",
                            registry->prefix, registry->file_name));
  }

  const auto at = [&](const Place& place, bool mirror) -> Result<Endpoint> {
    Endpoint endpoint = itself;
    endpoint.insecure = place.insecure;
    endpoint.mirror = mirror;
    endpoint.source =
        fmt::format("{} of \"{}\" in {}", mirror ? "mirror" : "[[registry]]",
                    registry->prefix, registry->file_name);
    if (place.location.empty()) return endpoint;
    const std::string moved =
        place.location + name.substr(*MatchedLength(registry->prefix, name));
    const size_t slash = moved.find('/');
    if (slash == std::string::npos) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("{}: {} leaves no name of a repository",
                              registry->file_name, place.location));
    }
    endpoint.registry = moved.substr(0, slash);
    endpoint.repository = moved.substr(slash + 1);
    return endpoint;
  };
  std::vector<Endpoint> endpoints;
  for (const Place& mirror : registry->mirrors) {
    const bool by_digest = reference.digest.has_value();
    if (!by_digest &&
        (registry->mirror_by_digest_only || mirror.pull == Pull::kDigestOnly)) {
      continue;
    }
    if (by_digest && mirror.pull == Pull::kTagOnly) continue;
    IMGMOUNT_TRY(endpoints.emplace_back(), at(mirror, true));
  }
  IMGMOUNT_TRY(endpoints.emplace_back(), at(registry->self, false));
  return endpoints;
}

}  // namespace imgmount
