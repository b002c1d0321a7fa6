// SPDX-License-Identifier: Apache-2.0
// Transports: the word in front of an image name, as in
// containers-transports(5).
#ifndef IMGMOUNT_FETCH_SOURCE_TRANSPORT_H_
#define IMGMOUNT_FETCH_SOURCE_TRANSPORT_H_

#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

enum class Transport {
  kRegistry,
  kOciLayout,
  kOciArchive,
  kDockerArchive,
  kDockerDaemon,       // Docker's or any engine that speaks its API
  kContainersStorage,  // the same of podman's service
};

struct ImageName {
  Transport transport = Transport::kRegistry;
  std::string path;       // of a transport with files: the folder or file
  std::string reference;  // "nginx:1.25"; within files a name or ""
  // docker:// was said: a name without a registry is Docker Hub's, whatever
  // registries.conf says.
  bool explicitly_docker = false;

  // "nginx", "docker://nginx", "oci:DIR[:REF]", "oci-archive:FILE[:REF]",
  // "docker-archive:FILE[:REF]", "docker-daemon:REF", "containers-storage:REF".
  // kUnsupported: a transport that is known and not supported.
  static Result<ImageName> Parse(std::string_view text);
  bool operator==(const ImageName&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_SOURCE_TRANSPORT_H_
