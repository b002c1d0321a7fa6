// Where a container engine listens: the unix socket of its HTTP API.
#ifndef IMGMOUNT_FETCH_ENGINE_ENGINE_SOCKET_H_
#define IMGMOUNT_FETCH_ENGINE_ENGINE_SOCKET_H_

#include <string>

#include "fetch/transport.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"

namespace imgmount {

struct EngineSocket {
  std::string path;
  std::string advice;  // what to do when nobody listens there
};

// kDockerDaemon: $DOCKER_HOST, else $XDG_RUNTIME_DIR/docker.sock where there
// is one, else /var/run/docker.sock. kContainersStorage: $CONTAINER_HOST, else
// podman's socket of this user. kUnsupported: a host that is no unix:// one.
Result<EngineSocket> FindEngineSocket(Transport transport, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ENGINE_ENGINE_SOCKET_H_
