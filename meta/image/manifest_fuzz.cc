// SPDX-License-Identifier: Apache-2.0
// Whatever a registry sends as manifest, index or config: an error or a value.
#include <cstdint>
#include <string_view>

#include "meta/image/image_config.h"
#include "meta/image/manifest.h"

using imgmount::Platform;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)imgmount::ImageConfig::Parse(text);
  for (const char* type : {"", imgmount::kOciManifest, imgmount::kDockerList}) {
    const auto document = imgmount::ParseManifestOrIndex(text, type);
    if (!document) continue;
    if (const auto* index = std::get_if<imgmount::Index>(&*document)) {
      (void)SelectPlatform(*index, Platform{"linux", "amd64", "v3", ""});
      continue;
    }
    for (const auto& layer : std::get<imgmount::Manifest>(*document).layers) {
      (void)CheckLayerMediaType(layer);
    }
  }
  return 0;
}
