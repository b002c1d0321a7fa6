// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/hosts_toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "fetch/config/toml_values.h"
#include "fetch/http/url.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFile = 1 << 20;
constexpr size_t kMaxCertificate = 1 << 20;

// "https://host:port/path": where requests go. Without a scheme it is https,
// but for loopback.
Status Place(Endpoint& endpoint, std::string address, bool override_path) {
  if (address.find("://") == std::string::npos) {
    address.insert(0, IsLoopback(address.substr(0, address.find('/')))
                          ? "http://"
                          : "https://");
  }
  auto url = Url::Parse(address);
  if (!url) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: {}", address, url.error().message()));
  }
  endpoint.registry = url->authority();
  if (!url->secure()) endpoint.insecure = true;
  const size_t path = address.find('/', address.find("://") + 3);
  std::string root = path == std::string::npos ? "" : address.substr(path);
  while (root.ends_with('/')) root.pop_back();
  endpoint.api_root = override_path ? root : root + "/v2";
  return {};
}

Status ReadTls(Endpoint& endpoint, const toml::table& table,
               const fs::path& path) {
  const fs::path folder = path.parent_path();
  endpoint.tls.place = path.string();
  endpoint.tls.client_form = "client = [[\"CERT\", \"KEY\"]]";
  IMGMOUNT_TRY(const auto authorities, StringsIn(table, "ca"));
  for (const std::string& file : authorities) {
    IMGMOUNT_TRY(const std::string text,
                 ReadFile(folder / file, kMaxCertificate));
    endpoint.tls.authorities += text + "\n";
  }
  // A file with both, files with both, or pairs: the first that there is.
  const toml::node* client = table.get("client");
  if (client == nullptr) return {};
  const toml::array* files = client->as_array();
  const toml::node* first =
      files == nullptr ? client : (files->empty() ? nullptr : files->get(0));
  if (first == nullptr) return {};
  const toml::array* pair = first->as_array();
  const auto file = [&](const toml::node* node) -> Result<std::string> {
    const auto name =
        node == nullptr ? std::nullopt : node->value_exact<std::string>();
    if (!name) return WrongType(*client, "client", "a file or pairs of files");
    return (folder / *name).string();
  };
  IMGMOUNT_TRY(endpoint.tls.client_certificate,
               file(pair == nullptr ? first : pair->get(0)));
  const bool has_key = pair != nullptr && pair->size() > 1 &&
                       !pair->get(1)->value_or<std::string>("").empty();
  IMGMOUNT_TRY(endpoint.tls.client_key,
               file(pair == nullptr ? first : pair->get(has_key ? 1 : 0)));
  return {};
}

Status ReadHost(Endpoint& endpoint, const toml::table& table,
                const fs::path& path) {
  IMGMOUNT_TRY(const bool skip_verify, BoolIn(table, "skip_verify"));
  if (skip_verify) endpoint.insecure = true;
  IMGMOUNT_CHECK(ReadTls(endpoint, table, path));
  if (table.get("capabilities") != nullptr) {
    IMGMOUNT_TRY(const auto able, StringsIn(table, "capabilities"));
    const auto can = [&](const char* what) {
      return std::find(able.begin(), able.end(), what) != able.end();
    };
    endpoint.can_pull = can("pull");
    endpoint.can_resolve = can("resolve");
  }
  if (const toml::node* headers = table.get("header"); headers != nullptr) {
    if (!headers->is_table()) return WrongType(*headers, "header", "a table");
    for (const auto& [name, value] : *headers->as_table()) {
      IMGMOUNT_TRY(const auto values,
                   StringsIn(*headers->as_table(), name.str()));
      for (const std::string& text : values) {
        endpoint.headers.push_back(fmt::format("{}: {}", name.str(), text));
      }
    }
  }
  return {};
}

// The hosts in the order in which they stand in the file.
std::vector<std::pair<std::string, const toml::table*>> HostsInOrder(
    const toml::table& hosts) {
  std::vector<std::pair<std::string, const toml::table*>> list;
  for (const auto& [name, value] : hosts) {
    if (value.is_table()) list.emplace_back(name.str(), value.as_table());
  }
  const auto position = [](const toml::table* table) {
    const auto& begin = table->source().begin;
    return std::pair(begin.line, begin.column);
  };
  std::sort(list.begin(), list.end(), [&](const auto& a, const auto& b) {
    return position(a.second) < position(b.second);
  });
  return list;
}

}  // namespace

Result<std::vector<Endpoint>> ParseHostsToml(std::string_view text,
                                             const fs::path& path,
                                             const Reference& reference) {
  IMGMOUNT_TRY(const toml::table root, ParseToml(text, path.string()));
  const auto in_file = [&](const Error& error) {
    return Failure(error.In(path.string()));
  };
  std::vector<Endpoint> endpoints;
  if (const toml::node* hosts = root.get("host"); hosts != nullptr) {
    if (!hosts->is_table()) {
      return in_file(WrongType(*hosts, "host", "a table").value());
    }
    for (const auto& [address, table] : HostsInOrder(*hosts->as_table())) {
      Endpoint host{
          .registry = {},
          .repository = reference.repository,
          .mirror = true,
          .source = fmt::format("[host.\"{}\"] in {}", address, path.string())};
      const auto override_path = BoolIn(*table, "override_path");
      if (!override_path) return in_file(override_path.error());
      if (auto placed = Place(host, address, *override_path); !placed) {
        return in_file(placed.error());
      }
      if (auto read = ReadHost(host, *table, path); !read) {
        return in_file(read.error());
      }
      // Tells a mirror of many registries which one is meant.
      host.name_space = reference.registry;
      endpoints.push_back(std::move(host));
    }
  }
  Endpoint server{.registry = reference.registry,
                  .repository = reference.repository,
                  .source = "server in " + path.string()};
  const auto address = StringIn(root, "server");
  if (!address) return in_file(address.error());
  if (!address->empty()) {
    const auto override_path = BoolIn(root, "override_path");
    if (!override_path) return in_file(override_path.error());
    if (auto placed = Place(server, *address, *override_path); !placed) {
      return in_file(placed.error());
    }
    // Docker Hub's API and its logins have two names.
    if (server.registry == "registry-1.docker.io") {
      server.registry = "docker.io";
    }
  }
  if (auto read = ReadHost(server, root, path); !read) {
    return in_file(read.error());
  }
  endpoints.push_back(std::move(server));
  return endpoints;
}

Result<std::optional<std::vector<Endpoint>>> EndpointsOfHostsToml(
    const Reference& reference, const FetchEnvironment& environment) {
  std::vector<fs::path> folders;
  if (!environment.home.empty()) {
    folders.push_back(fs::path(environment.home) /
                      ".config/containerd/certs.d");
  }
  folders.emplace_back("/etc/containerd/certs.d");
  for (const fs::path& folder : folders) {
    for (const std::string& name :
         {reference.registry, std::string("_default")}) {
      const fs::path path = folder / name / "hosts.toml";
      auto text = ReadFile(path, kMaxFile);
      if (!text && text.error().code() == ErrorCode::kNotFound) continue;
      if (!text) return Failure(std::move(text).error());
      IMGMOUNT_TRY(auto endpoints, ParseHostsToml(*text, path, reference));
      return std::optional(std::move(endpoints));
    }
  }
  return std::optional<std::vector<Endpoint>>();
}

}  // namespace imgmount
