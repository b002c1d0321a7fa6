// SPDX-License-Identifier: Apache-2.0
// Manifests and indexes: OCI image-spec manifest.md and image-index.md, and
// Docker's schema 2. Parsing checks everything that is used, limits size and
// depth, and names what is wrong; nothing here trusts a registry. Values.
#ifndef IMGMOUNT_META_IMAGE_MANIFEST_H_
#define IMGMOUNT_META_IMAGE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"

namespace imgmount {

// The distribution-spec asks registries to accept manifests of 4 MiB.
inline constexpr size_t kMaxManifestBytes = 4 << 20;
inline constexpr size_t kMaxConfigBytes = 16 << 20;
inline constexpr size_t kMaxLayers = 1000;

inline constexpr char kOciIndex[] = "application/vnd.oci.image.index.v1+json";
inline constexpr char kOciManifest[] =
    "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kDockerList[] =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr char kDockerManifest[] =
    "application/vnd.docker.distribution.manifest.v2+json";

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  std::optional<Platform> platform = {};
  std::vector<std::string> urls = {};  // foreign layers
  std::map<std::string, std::string> annotations = {};
  std::string artifact_type = {};
  bool operator==(const Descriptor&) const = default;
};

struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers = {};  // bottom first
  std::map<std::string, std::string> annotations = {};
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests = {};
  std::map<std::string, std::string> annotations = {};
};

// `media_type` is what the registry or descriptor said; may be empty, then the
// document's own mediaType or its shape decides. Docker schema 1 and artifacts
// that are no images are kUnsupported with what to do.
Result<std::variant<Manifest, Index>> ParseManifestOrIndex(
    std::string_view json, std::string_view media_type);

bool MayBeManifestOrIndex(std::string_view media_type);

// An image is told by its config's type: OCI's, Docker's, or what old tools are
// known to have put in their place, "" too.
bool IsImageConfigType(std::string_view media_type);

// Whether we can read layers of this media type: OCI and Docker, plain, gzip,
// zstd, non-distributable; kUnsupported otherwise (an encrypted layer, say).
Status CheckLayerMediaType(const Descriptor& layer);

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_MANIFEST_H_
