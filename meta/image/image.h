// SPDX-License-Identifier: Apache-2.0
// Image: one platform's manifest and config, checked against each other.
#ifndef IMGMOUNT_META_IMAGE_IMAGE_H_
#define IMGMOUNT_META_IMAGE_IMAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "meta/image/image_config.h"
#include "meta/image/manifest.h"

namespace imgmount {

struct Image {
  std::string manifest_json;
  Digest manifest_digest;
  Manifest manifest;
  ImageConfig config;
  // The index it was chosen from, if any: what a tag and Docker's "Digest:"
  // line name.
  std::optional<Digest> index_digest = {};

  // The digest that the reference resolved to: index's, else manifest's.
  const Digest& published_digest() const {
    return index_digest ? *index_digest : manifest_digest;
  }

  // Checks documents against digests and each other: as many diff IDs as
  // layers (kCorrupt tells both numbers), readable media types. History is
  // not: the spec makes it optional. `media_type` as for ParseManifestOrIndex.
  static Result<Image> Make(
      std::string manifest_json, std::string_view media_type,
      std::string config_json, std::optional<Digest> index_digest = {},
      DigestAlgorithm manifest_algorithm = DigestAlgorithm::kSha256);
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_IMAGE_H_
