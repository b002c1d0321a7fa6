#include "fetch/registry/registries_conf.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "meta/base/file.h"

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

Result<std::string> String(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::string();
  if (const auto value = node->value_exact<std::string>()) return *value;
  return Fail(ErrorCode::kUsage, fmt::format("line {}: {} is not a string",
                                             node->source().begin.line, key));
}

Result<bool> Bool(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return false;
  if (const auto value = node->value_exact<bool>()) return *value;
  return Fail(ErrorCode::kUsage, fmt::format("line {}: {} is not true or false",
                                             node->source().begin.line, key));
}

// The tables of [[key]]; none where there is no such key.
Result<std::vector<const toml::table*>> Tables(const toml::table& table,
                                               std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* node = table.get(key);
  if (node == nullptr) return tables;
  const auto bad = [&] {
    return Fail(ErrorCode::kUsage,
                fmt::format("line {}: {} is not an array of tables",
                            node->source().begin.line, key));
  };
  if (!node->is_array()) return bad();
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) return bad();
    tables.push_back(element.as_table());
  }
  return tables;
}

// As containers/image: no scheme, no trailing slash.
Result<std::string> CheckLocation(std::string location) {
  while (location.ends_with('/')) location.pop_back();
  if (location.find("://") != std::string::npos) {
    return Fail(ErrorCode::kUsage,
                fmt::format("location {}: a host, not a URL", location));
  }
  return location;
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

}  // namespace

Result<RegistriesConf> RegistriesConf::Load(const std::string& explicit_path,
                                            const ToolIo& io) {
  const std::string home = io.env("HOME").value_or("");
  const fs::path user_folder =
      home.empty() ? fs::path() : fs::path(home) / ".config/containers";
  const std::string named =
      explicit_path.empty() ? io.env("CONTAINERS_REGISTRIES_CONF").value_or("")
                            : explicit_path;
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
  return conf;
}

Status RegistriesConf::Add(std::string_view text,
                           const std::string& file_name) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: line {}: {}", file_name,
                            error.source().begin.line, error.description()));
  }
  const auto read_place = [](const toml::table& table) -> Result<Place> {
    Place place;
    IMGMOUNT_TRY(std::string location, String(table, "location"));
    IMGMOUNT_TRY(place.location, CheckLocation(std::move(location)));
    IMGMOUNT_TRY(place.insecure, Bool(table, "insecure"));
    IMGMOUNT_TRY(const std::string pull, String(table, "pull-from-mirror"));
    if (pull == "digest-only") place.pull = Pull::kDigestOnly;
    if (pull == "tag-only") place.pull = Pull::kTagOnly;
    return place;
  };
  const auto read_registry = [&](const toml::table& table) -> Result<Registry> {
    Registry registry;
    registry.file_name = file_name;
    IMGMOUNT_TRY(std::string prefix, String(table, "prefix"));
    IMGMOUNT_TRY(registry.prefix, CheckLocation(std::move(prefix)));
    IMGMOUNT_TRY(registry.self, read_place(table));
    IMGMOUNT_TRY(registry.blocked, Bool(table, "blocked"));
    IMGMOUNT_TRY(registry.mirror_by_digest_only,
                 Bool(table, "mirror-by-digest-only"));
    if (registry.prefix.empty()) registry.prefix = registry.self.location;
    if (registry.prefix.empty()) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("line {}: a registry needs a prefix or location",
                              table.source().begin.line));
    }
    IMGMOUNT_TRY(const auto mirrors, Tables(table, "mirror"));
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

  const auto tables = Tables(root, "registry");
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
                fmt::format("{} is blocked by {}", registry->prefix,
                            registry->file_name));
  }

  const auto at = [&](const Place& place, bool mirror) -> Result<Endpoint> {
    Endpoint endpoint = itself;
    endpoint.insecure = place.insecure;
    endpoint.mirror = mirror;
    if (place.location.empty()) return endpoint;
    const std::string moved =
        place.location + name.substr(*MatchedLength(registry->prefix, name));
    const size_t slash = moved.find('/');
    if (slash == std::string::npos) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("{}: {} leaves no repository name",
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
