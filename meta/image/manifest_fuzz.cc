// SPDX-License-Identifier: Apache-2.0
// Whatever a registry sends as manifest, index or config: an error or a value.
#include <cstdint>
#include <string>
#include <string_view>

#include "meta/image/image_config.h"
#include "meta/image/layout_index.h"
#include "meta/image/manifest.h"
#include "meta/image/select_image.h"

using imgmount::Platform;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)imgmount::ImageConfig::Parse(text);
  for (const char* type : {"", imgmount::kOciManifest, imgmount::kDockerList}) {
    const auto document = imgmount::ParseManifestOrIndex(text, type);
    if (!document) continue;
    if (const auto* index = std::get_if<imgmount::Index>(&*document)) {
      const Platform wanted = {"linux", "amd64", "v3", ""};
      (void)imgmount::CandidatesFor(*index, wanted);
      // Every entry's document is the index itself.
      const auto read = [&](const auto&) -> imgmount::Result<std::string> {
        return std::string(text);
      };
      const imgmount::ImageDocument top = {std::string(text), type,
                                           imgmount::DigestOf(text)};
      (void)imgmount::SelectImage(top, wanted, {read, read});
      (void)imgmount::FindLayoutDocument(index->manifests, "", {read, read});
      continue;
    }
    for (const auto& layer : std::get<imgmount::Manifest>(*document).layers) {
      (void)CheckLayerMediaType(layer);
    }
  }
  return 0;
}
