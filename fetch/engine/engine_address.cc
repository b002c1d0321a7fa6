// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine/engine_address.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "fetch/engine/docker_context.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxCertificate = 1 << 20;

// The files that the docker command keeps in such a folder; each may be absent.
Result<TlsFiles> ReadCertificates(const fs::path& folder) {
  TlsFiles tls;
  tls.place = folder.string();
  tls.client_form = "cert.pem and key.pem";
  auto authorities = ReadFile(folder / "ca.pem", kMaxCertificate);
  if (authorities) {
    tls.authorities = *std::move(authorities);
  } else if (authorities.error().code() != ErrorCode::kNotFound) {
    return Failure(std::move(authorities).error());
  }
  std::error_code error;
  if (fs::exists(folder / "cert.pem", error)) {
    tls.client_certificate = (folder / "cert.pem").string();
    tls.client_key = (folder / "key.pem").string();
  }
  return tls;
}

// Takes a scheme off the front.
bool ConsumePrefix(std::string& host, std::string_view scheme) {
  if (!host.starts_with(scheme)) return false;
  host.erase(0, scheme.size());
  return true;
}

// Sets the address to `host` ("unix://PATH", "tcp://HOST[:PORT]"); with TLS
// where there is a folder of certificates.
Status SetHost(EngineAddress& engine, std::string host, const fs::path& tls) {
  if (ConsumePrefix(host, "unix://")) {
    engine.name = engine.socket = host;
    return {};
  }
  if (!ConsumePrefix(host, "tcp://")) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format(
            "{}: {} is not supported, only unix:// and tcp:// are; `ssh -nNT "
            "-L PATH:/var/run/docker.sock HOST` makes a socket of an "
            "engine elsewhere",
            engine.why, host.substr(0, host.find("://") + 3)));
  }
  while (host.ends_with('/')) host.pop_back();
  const bool has_port = host.find(':', host.rfind(']') + 1) != host.npos;
  if (!has_port) host += tls.empty() ? ":2375" : ":2376";
  engine.name = host;
  engine.root = (tls.empty() ? "http://" : "https://") + host;
  if (tls.empty()) return {};
  IMGMOUNT_TRY(engine.tls, ReadCertificates(tls));
  return {};
}

Result<EngineAddress> FindDocker(const FetchEnvironment& environment) {
  EngineAddress engine;
  engine.advice = "is the Docker Engine running, and may you use it?";
  if (!environment.docker_host.empty()) {
    engine.why = "DOCKER_HOST";
    // As the docker command: certificates alone do not make it verify.
    fs::path tls = environment.docker_cert_path;
    engine.verify_tls = !environment.docker_tls_verify.empty();
    if (tls.empty() && engine.verify_tls) tls = DockerFolder(environment);
    IMGMOUNT_CHECK(SetHost(engine, environment.docker_host, tls));
    return engine;
  }
  IMGMOUNT_TRY(const auto context, CurrentDockerContext(environment));
  if (context) {
    engine.why = "docker context " + context->name;
    engine.verify_tls = !context->skip_tls_verify;
    std::error_code error;
    const bool has_tls = fs::is_directory(context->tls_folder, error);
    IMGMOUNT_CHECK(SetHost(engine, context->host,
                           has_tls ? context->tls_folder : fs::path()));
    return engine;
  }
  const std::string& runtime = environment.xdg_runtime_dir;
  const std::string own = runtime + "/docker.sock";
  const bool rootless = !runtime.empty() && ::access(own.c_str(), F_OK) == 0;
  engine.name = engine.socket = rootless ? own : "/var/run/docker.sock";
  return engine;
}

Result<EngineAddress> FindPodman(const FetchEnvironment& environment) {
  EngineAddress engine;
  engine.advice =
      "start it with `podman system service -t 0` or `systemctl start "
      "podman.socket`";
  const std::string& host = environment.container_host;
  if (!host.empty()) {
    engine.why = "CONTAINER_HOST";
    IMGMOUNT_CHECK(SetHost(engine, host, {}));
    return engine;
  }
  const std::string& runtime = environment.xdg_runtime_dir;
  const bool system = ::geteuid() == 0 || runtime.empty();
  engine.name = engine.socket =
      (system ? "/run" : runtime) + "/podman/podman.sock";
  return engine;
}

}  // namespace

Result<EngineAddress> FindEngine(Transport transport,
                                 const FetchEnvironment& environment) {
  return transport == Transport::kDockerDaemon ? FindDocker(environment)
                                               : FindPodman(environment);
}

}  // namespace imgmount
