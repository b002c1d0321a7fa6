// SPDX-License-Identifier: Apache-2.0
#include "meta/image/image.h"

#include <fmt/format.h>

#include <utility>

namespace imgmount {
Result<Image> Image::Make(std::string manifest_json,
                          std::string_view media_type, std::string config_json,
                          std::optional<Digest> index_digest,
                          DigestAlgorithm manifest_algorithm) {
  IMGMOUNT_TRY(auto document, ParseManifestOrIndex(manifest_json, media_type));
  auto* manifest = std::get_if<Manifest>(&document);
  if (manifest == nullptr) {
    return Fail(ErrorCode::kCorrupt,
                "an index stands where one platform's manifest was expected");
  }
  for (const Descriptor& layer : manifest->layers) {
    IMGMOUNT_CHECK(CheckLayerMediaType(layer));
  }
  const Descriptor& described = manifest->config;
  const Digest digest = DigestOf(config_json, described.digest.algorithm());
  if (digest != described.digest || config_json.size() != described.size) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("image config: expected {} of {} bytes, got {} of "
                            "{} bytes",
                            described.digest.text(), described.size,
                            digest.text(), config_json.size()));
  }
  IMGMOUNT_TRY(ImageConfig config, ImageConfig::Parse(config_json));
  if (config.diff_ids.size() != manifest->layers.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the manifest has {} layers and the config has {} "
                            "diff IDs; they must be as many",
                            manifest->layers.size(), config.diff_ids.size()));
  }
  const Digest manifest_digest = DigestOf(manifest_json, manifest_algorithm);
  return Image{.manifest_json = std::move(manifest_json),
               .manifest_digest = manifest_digest,
               .manifest = std::move(*manifest),
               .config = std::move(config),
               .index_digest = std::move(index_digest)};
}

}  // namespace imgmount
