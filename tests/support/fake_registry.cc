// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_registry.h"

#include <fmt/format.h>

#include <fstream>

#include "meta/image/manifest.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

std::string DescriptorJson(const std::string& media_type,
                           const std::string& bytes,
                           const std::string& more = "") {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})",
                     media_type, DigestOf(bytes).text(), bytes.size(), more);
}

std::string PlatformJson(const Platform& platform) {
  std::string json = fmt::format(R"("architecture":"{}","os":"{}")",
                                 platform.architecture, platform.os);
  if (!platform.variant.empty()) {
    json += fmt::format(R"(,"variant":"{}")", platform.variant);
  }
  return json;
}

void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TestImage::TestImage(const std::vector<std::string>& tars,
                     const Platform& image_platform)
    : platform(image_platform) {
  std::string diff_ids;
  std::string descriptors;
  for (const std::string& tar : tars) {
    const char* comma = layers.empty() ? "" : ",";
    layers.push_back(Gzip(tar));
    diff_ids += fmt::format(R"({}"{}")", comma, DigestOf(tar).text());
    descriptors +=
        comma + DescriptorJson("application/vnd.oci.image.layer.v1.tar+gzip",
                               layers.back());
  }
  config = fmt::format(
      R"({{{},"rootfs":{{"type":"layers","diff_ids":[{}]}},"config":{{}}}})",
      PlatformJson(platform), diff_ids);
  manifest = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
      kOciManifest,
      DescriptorJson("application/vnd.oci.image.config.v1+json", config),
      descriptors);
}

uint64_t TestImage::layer_bytes() const {
  uint64_t total = 0;
  for (const std::string& layer : layers) total += layer.size();
  return total;
}

std::string IndexOf(const std::vector<const TestImage*>& images) {
  std::string manifests;
  for (const TestImage* image : images) {
    if (!manifests.empty()) manifests += ",";
    manifests += DescriptorJson(
        kOciManifest, image->manifest,
        fmt::format(R"(,"platform":{{{}}})", PlatformJson(image->platform)));
  }
  return fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})", kOciIndex,
      manifests);
}

void WriteLayout(const TestImage& image, const std::filesystem::path& folder,
                 const std::string& name) {
  const auto write_blob = [&](const std::string& bytes) {
    WriteFile(folder / "blobs/sha256" / DigestOf(bytes).hex(), bytes);
  };
  for (const std::string& layer : image.layers) write_blob(layer);
  write_blob(image.config);
  write_blob(image.manifest);
  WriteFile(folder / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  WriteFile(
      folder / "index.json",
      fmt::format(
          R"({{"schemaVersion":2,"manifests":[{}]}})",
          DescriptorJson(
              kOciManifest, image.manifest,
              fmt::format(
                  R"(,"annotations":{{"org.opencontainers.image.ref.name":"{}"}})",
                  name))));
}

FakeRegistry::FakeRegistry(const std::string& address)
    : server_(
          [this](const Request& request) {
            Interception interception;
            {
              const MutexLock lock(mutex_);
              interception = interception_;
            }
            if (interception) {
              if (auto reply = interception(request)) return *std::move(reply);
            }
            return Answer(request);
          },
          address) {}

void FakeRegistry::AddBlob(const std::string& bytes) {
  const MutexLock lock(mutex_);
  blobs_[DigestOf(bytes).text()] = bytes;
}

void FakeRegistry::AddManifest(const std::string& repository,
                               const std::string& tag, const std::string& bytes,
                               const std::string& media_type) {
  const MutexLock lock(mutex_);
  const std::string folder = repository + "/manifests/";
  if (!tag.empty()) manifests_[folder + tag] = {bytes, media_type};
  manifests_[folder + DigestOf(bytes).text()] = {bytes, media_type};
}

void FakeRegistry::AddImage(const std::string& repository,
                            const std::string& tag, const TestImage& image) {
  for (const std::string& layer : image.layers) AddBlob(layer);
  AddBlob(image.config);
  AddManifest(repository, tag, image.manifest, kOciManifest);
}

void FakeRegistry::Intercept(Interception interception) {
  const MutexLock lock(mutex_);
  interception_ = std::move(interception);
}

FakeRegistry::Reply FakeRegistry::Answer(const Request& request) {
  const MutexLock lock(mutex_);
  if (!request.target.starts_with("/v2/")) return {.status = 404};
  const std::string path = request.target.substr(4);
  if (const size_t blob = path.find("/blobs/"); blob != std::string::npos) {
    const auto found = blobs_.find(path.substr(blob + 7));
    if (found != blobs_.end()) return WithRange(request, found->second);
    return {
        .status = 404,
        .body =
            R"({"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]})"};
  }
  const auto found = manifests_.find(path);
  if (found == manifests_.end()) {
    return {
        .status = 404,
        .body =
            R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"};
  }
  return {.headers = {{"Content-Type", found->second.media_type},
                      {"Docker-Content-Digest",
                       DigestOf(found->second.bytes).text()}},
          .body = found->second.bytes};
}

}  // namespace imgmount::testing
