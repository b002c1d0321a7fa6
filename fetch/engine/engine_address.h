// SPDX-License-Identifier: Apache-2.0
// EngineAddress: a container engine's HTTP API, on a unix socket or at a host.
#ifndef IMGMOUNT_FETCH_ENGINE_ENGINE_ADDRESS_H_
#define IMGMOUNT_FETCH_ENGINE_ENGINE_ADDRESS_H_

#include <string>

#include "fetch/config/environment.h"
#include "fetch/http/tls_files.h"
#include "fetch/source/transport.h"
#include "meta/base/result.h"

namespace imgmount {

struct EngineAddress {
  std::string name;                       // for messages: a path, or HOST:PORT
  std::string why;                        // "DOCKER_HOST"; "": the usual place
  std::string advice;                     // when nobody answers there
  std::string socket = {};                // path; "": by TCP
  std::string root = "http://localhost";  // of URLs
  TlsFiles tls = {};
  bool verify_tls = true;
};

// kDockerDaemon, as the docker command has it: $DOCKER_HOST (with
// $DOCKER_CERT_PATH and $DOCKER_TLS_VERIFY), else the context of
// $DOCKER_CONTEXT or of `docker context use`; else $XDG_RUNTIME_DIR/docker.sock
// where there is one, else /var/run/docker.sock. kContainersStorage:
// $CONTAINER_HOST, else podman's socket of this user. kUnsupported: a host that
// is neither unix:// nor tcp://.
Result<EngineAddress> FindEngine(Transport transport,
                                 const FetchEnvironment& environment);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ENGINE_ENGINE_ADDRESS_H_
