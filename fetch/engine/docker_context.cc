// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine/docker_context.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/base/digest.h"
#include "meta/base/file.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kMaxFile = 4 << 20;

// null for what is not there or is no JSON.
Json ReadJson(const fs::path& path) {
  const auto text = ReadFile(path, kMaxFile);
  if (!text) return nullptr;
  return ParseJson(*text, path.string(), kMaxFile).value_or(nullptr);
}

// A member of an object; null for anything else.
Json At(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object[key] : Json();
}

std::string CurrentName(const fs::path& folder,
                        const FetchEnvironment& environment) {
  if (!environment.docker_context.empty()) return environment.docker_context;
  return StringMember(ReadJson(folder / "config.json"), "currentContext")
      .value_or("");
}

}  // namespace

fs::path DockerFolder(const FetchEnvironment& environment) {
  if (!environment.docker_config.empty()) return environment.docker_config;
  const std::string& home = environment.home;
  return home.empty() ? fs::path() : fs::path(home) / ".docker";
}

Result<std::optional<DockerContext>> CurrentDockerContext(
    const FetchEnvironment& environment) {
  const fs::path folder = DockerFolder(environment);
  const std::string name = CurrentName(folder, environment);
  if (name.empty() || name == "default") return std::optional<DockerContext>();
  const std::string id(DigestOf(name).hex());
  const fs::path path = folder / "contexts/meta" / id / "meta.json";
  if (std::error_code error; !fs::exists(path, error)) {
    return Fail(ErrorCode::kUsage,
                fmt::format("no docker context {} in {}; `docker context ls` "
                            "lists them",
                            name, (folder / "contexts").string()));
  }
  const Json endpoint = At(At(ReadJson(path), "Endpoints"), "docker");
  DockerContext context{
      .name = name,
      .host = StringMember(endpoint, "Host").value_or(""),
      .tls_folder = folder / "contexts/tls" / id / "docker",
      .skip_tls_verify = At(endpoint, "SkipTLSVerify") == true};
  if (context.host.empty()) {
    return Fail(ErrorCode::kUsage, path.string() + ": names no docker host");
  }
  return context;
}

}  // namespace imgmount
