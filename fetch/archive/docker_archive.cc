// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/docker_archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "fetch/archive/decompress.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/http/content_range.h"
#include "meta/image/image_config.h"
#include "meta/image/json.h"
#include "meta/image/layout_index.h"
#include "meta/image/reference.h"
#include "meta/layer/first_pass.h"

namespace imgmount {
namespace {

constexpr char kManifestFile[] = "manifest.json";
constexpr size_t kMaxManifestFile = 16 << 20;
// As the first pass limits layers.
constexpr uint64_t kMaxInflation = 1100;
constexpr uint64_t kAlwaysAllowed = 1 << 30;

// One element of manifest.json.
struct SavedImage {
  std::string config;
  std::vector<std::string> layers;
  std::vector<std::string> tags;
};

Result<std::vector<SavedImage>> ParseImages(std::string_view text) {
  IMGMOUNT_TRY(const nlohmann::json list,
               ParseJson(text, kManifestFile, kMaxManifestFile));
  if (!list.is_array()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: must be an array", kManifestFile));
  }
  std::vector<SavedImage> images;
  for (const nlohmann::json& element : list) {
    IMGMOUNT_TRY(const JsonObject object,
                 JsonObject::Of(element, kManifestFile));
    SavedImage& image = images.emplace_back();
    IMGMOUNT_TRY(image.config, object.String("Config"));
    if (image.config.empty()) return object.Wrong("Config", "missing");
    IMGMOUNT_TRY(image.layers, object.Strings("Layers"));
    IMGMOUNT_TRY(image.tags, object.Strings("RepoTags"));
  }
  return images;
}

Result<std::vector<SavedImage>> ReadImages(const TarFiles& files) {
  if (!files.Has("manifest.json") && files.Has("index.json")) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{0}: is an oci-archive and no docker-archive; "
                            "write oci-archive:{0}",
                            files.name()));
  }
  IMGMOUNT_TRY(const std::string text,
               files.ReadText(kManifestFile, kMaxManifestFile));
  auto images = ParseImages(text);
  if (!images) {
    return Failure(
        images.error().In(files.name() + ": not docker save's archive"));
  }
  if (images->empty()) {
    return Fail(ErrorCode::kNotFound, files.name() + ": has no images");
  }
  return images;
}

std::string ListOf(const std::vector<SavedImage>& images) {
  std::vector<std::string> words;
  for (size_t i = 0; i < images.size(); ++i) {
    const auto& tags = images[i].tags;
    words.insert(words.end(), tags.begin(), tags.end());
    if (tags.empty()) words.push_back(fmt::format("@{}", i));
  }
  return ChoiceOf(words);
}

// "app:1" and "docker.io/library/app:1" are the same tag.
std::string Canonical(const std::string& tag) {
  const auto reference = Reference::Parse(tag);
  return reference ? reference->Canonical() : tag;
}

Result<SavedImage> Choose(const std::vector<SavedImage>& images,
                          const std::string& reference,
                          const std::string& file) {
  if (reference.empty()) {
    if (images.size() == 1) return images.front();
    return Fail(ErrorCode::kNotFound,
                fmt::format("{}: has several images, name one:{}", file,
                            ListOf(images)));
  }
  if (reference.starts_with('@')) {
    const auto number = ParseDecimal(std::string_view(reference).substr(1));
    if (number && *number < images.size()) return images[*number];
  } else {
    const std::string wanted = Canonical(reference);
    for (const SavedImage& image : images) {
      const bool tagged = std::any_of(
          image.tags.begin(), image.tags.end(),
          [&](const std::string& tag) { return Canonical(tag) == wanted; });
      if (tagged) return image;
    }
  }
  return Fail(ErrorCode::kNotFound,
              fmt::format("{}: has no image {}; there is{}", file, reference,
                          ListOf(images)));
}

ReadBytes ReaderOf(const TarFiles& files, const TarFiles::Run& run) {
  return [&files, run](uint64_t offset, std::span<std::byte> out) {
    return files.Read(run, offset, out);
  };
}

Result<uint64_t> UncompressedSize(const TarFiles& files,
                                  const TarFiles::Run& run) {
  const uint64_t limit = std::max(kAlwaysAllowed, run.size * kMaxInflation);
  uint64_t size = 0;
  IMGMOUNT_CHECK(Decompress(
      ReaderOf(files, run), [&](std::span<const std::byte> bytes) -> Status {
        size += bytes.size();
        if (size <= limit) return {};
        return Fail(
            ErrorCode::kUnsupported,
            fmt::format("a layer unpacks to more than {} bytes", limit));
      }));
  return size;
}

}  // namespace

Result<std::unique_ptr<DockerArchive>> DockerArchive::Open(
    TarFiles tar, const std::string& reference) {
  std::unique_ptr<DockerArchive> archive(new DockerArchive(std::move(tar)));
  const TarFiles& files = archive->files_;
  IMGMOUNT_TRY(const std::vector<SavedImage> images, ReadImages(files));
  IMGMOUNT_TRY(const SavedImage image, Choose(images, reference, files.name()));
  IMGMOUNT_TRY(archive->config_, files.ReadText(image.config, kMaxConfigBytes));
  auto config = ImageConfig::Parse(archive->config_);
  if (!config) return Failure(config.error().In(files.name()));
  if (config->diff_ids.size() != image.layers.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} layers, but {} diff IDs in the config",
                            files.name(), image.layers.size(),
                            config->diff_ids.size()));
  }

  std::string layers;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const Digest digest = Digest::FromText(config->diff_ids[i].text());
    Layer layer;
    IMGMOUNT_TRY(layer.run, files.Find(image.layers[i]));
    std::byte first[16];
    IMGMOUNT_TRY(const size_t n, files.Read(layer.run, 0, first));
    layer.compressed =
        DetectCompression(std::span(first).first(n)) != Compression::kNone;
    uint64_t size = layer.run.size;
    if (layer.compressed) {
      auto counted = UncompressedSize(files, layer.run);
      if (!counted) {
        return Failure(
            counted.error().In(files.name() + ": " + image.layers[i]));
      }
      size = *counted;
    }
    layers += fmt::format(
        R"({}{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{},"digest":"{}"}})",
        i == 0 ? "" : ",", size, digest.text());
    archive->layers_.emplace(digest, layer);
  }
  archive->manifest_ = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{},"digest":"{}"}},"layers":[{}]}})",
      kDockerManifest, archive->config_.size(),
      DigestOf(archive->config_).text(), layers);
  return archive;
}

Result<Source::Document> DockerArchive::FetchManifest(
    const std::string& selector) {
  const Digest digest = DigestOf(manifest_);
  if (Digest::Parse(selector) && selector != digest.text()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{}: has no manifest {}", files_.name(), selector));
  }
  return Document{manifest_, kDockerManifest, digest};
}

Result<std::string> DockerArchive::FetchSmallBlob(
    const Descriptor& descriptor) {
  if (DigestOf(config_) == descriptor.digest) return config_;
  return Fail(ErrorCode::kNotFound, fmt::format("{}: has no {}", files_.name(),
                                                descriptor.digest.text()));
}

Status DockerArchive::FetchBlob(const Descriptor& descriptor, uint64_t offset,
                                BlobSink& sink) {
  const auto found = layers_.find(descriptor.digest);
  if (found == layers_.end()) {
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("{}: has no {}", files_.name(), descriptor.digest.text()));
  }
  const Layer& layer = found->second;
  if (!layer.compressed) return PushRun(files_, layer.run, offset, sink);
  uint64_t skip = offset;
  return Decompress(ReaderOf(files_, layer.run),
                    [&](std::span<const std::byte> bytes) -> Status {
                      if (sink.stopped())
                        return Fail(ErrorCode::kCancelled, "interrupted");
                      const auto skipped =
                          std::min<uint64_t>(skip, bytes.size());
                      skip -= skipped;
                      return sink.Write(bytes.subspan(skipped));
                    });
}

}  // namespace imgmount
