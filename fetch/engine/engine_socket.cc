#include "fetch/engine/engine_socket.h"

#include <fmt/format.h>
#include <unistd.h>

namespace imgmount {

Result<EngineSocket> FindEngineSocket(Transport transport, const ToolIo& io) {
  const bool docker = transport == Transport::kDockerDaemon;
  const std::string runtime = io.env("XDG_RUNTIME_DIR").value_or("");
  EngineSocket socket;
  socket.advice =
      docker ? "is the Docker Engine running, and may you use it?"
             : "start it with `podman system service -t 0` or `systemctl start "
               "podman.socket`";

  const char* variable = docker ? "DOCKER_HOST" : "CONTAINER_HOST";
  if (const std::string host = io.env(variable).value_or(""); !host.empty()) {
    constexpr std::string_view kScheme = "unix://";
    if (!host.starts_with(kScheme)) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("{}={}: only unix:// sockets are spoken to",
                              variable, host.substr(0, host.find("://") + 3)));
    }
    socket.path = host.substr(kScheme.size());
    return socket;
  }
  if (docker) {
    const std::string own = runtime + "/docker.sock";
    const bool rootless = !runtime.empty() && ::access(own.c_str(), F_OK) == 0;
    socket.path = rootless ? own : "/var/run/docker.sock";
  } else {
    const bool system = ::geteuid() == 0 || runtime.empty();
    socket.path = (system ? "/run" : runtime) + "/podman/podman.sock";
  }
  return socket;
}

}  // namespace imgmount
