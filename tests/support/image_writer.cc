// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image_writer.h"

#include <nlohmann/json.hpp>

#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

nlohmann::json Store(const Cache& cache, const char* media_type,
                     const std::string& bytes) {
  return {{"mediaType", media_type},
          {"digest", cache.WriteBlob(bytes).value().text()},
          {"size", bytes.size()}};
}

}  // namespace

Descriptor WriteImage(const Cache& cache, const std::vector<std::string>& tars,
                      std::string_view config) {
  std::vector<PublishedLayer> layers;
  for (const std::string& tar : tars) layers.push_back({tar, Gzip(tar)});
  return WriteImage(cache, layers, config);
}

Descriptor WriteImage(const Cache& cache,
                      const std::vector<PublishedLayer>& published,
                      std::string_view config_text) {
  nlohmann::json layers = nlohmann::json::array();
  nlohmann::json diff_ids = nlohmann::json::array();
  for (const PublishedLayer& layer : published) {
    // The bytes say how they are compressed, whatever the type says.
    layers.push_back(Store(cache, "application/vnd.oci.image.layer.v1.tar+gzip",
                           layer.blob));
    diff_ids.push_back(DigestOf(layer.tar).text());
  }
  nlohmann::json config = {
      {"os", "linux"},
      {"architecture", "amd64"},
      {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}};
  config.update(nlohmann::json::parse(config_text));
  const nlohmann::json manifest = {
      {"schemaVersion", 2},
      {"mediaType", kOciManifest},
      {"config",
       Store(cache, "application/vnd.oci.image.config.v1+json", config.dump())},
      {"layers", layers}};
  const std::string bytes = manifest.dump();
  return {.media_type = kOciManifest,
          .digest = cache.WriteBlob(bytes).value(),
          .size = bytes.size()};
}

}  // namespace imgmount::testing
