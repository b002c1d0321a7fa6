// SPDX-License-Identifier: Apache-2.0
#include "meta/image/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "meta/image/json.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::string_view kSchema1 =
    "application/vnd.docker.distribution.manifest.v1+json";
constexpr std::string_view kSignedSchema1 =
    "application/vnd.docker.distribution.manifest.v1+prettyjws";

constexpr std::string_view kOciConfig =
    "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kDockerConfig =
    "application/vnd.docker.container.image.v1+json";

// Types that old registries and tools have put in place of the config's own
// type; Docker takes them for images as well.
constexpr std::array<std::string_view, 4> kMistakenConfigTypes = {
    "", "application/octet-stream", "application/json", "text/html"};

constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view kOciForeignLayer =
    "application/vnd.oci.image.layer.nondistributable.v1.tar";
constexpr std::string_view kDockerLayer =
    "application/vnd.docker.image.rootfs.diff.tar";
constexpr std::string_view kDockerForeignLayer =
    "application/vnd.docker.image.rootfs.foreign.diff.tar";

enum class Kind { kUnknown, kManifest, kIndex, kSchema1 };

Kind KindOf(std::string_view media_type) {
  if (media_type == kOciManifest || media_type == kDockerManifest) {
    return Kind::kManifest;
  }
  if (media_type == kOciIndex || media_type == kDockerList) {
    return Kind::kIndex;
  }
  if (media_type == kSchema1 || media_type == kSignedSchema1) {
    return Kind::kSchema1;
  }
  return Kind::kUnknown;
}

// "type/sub; charset=utf-8" -> "type/sub"
std::string_view WithoutParameters(std::string_view media_type) {
  media_type = media_type.substr(0, media_type.find(';'));
  const size_t last = media_type.find_last_not_of(' ');
  return last == std::string_view::npos ? "" : media_type.substr(0, last + 1);
}

Result<Descriptor> ParseDescriptor(const JsonObject& object) {
  IMGMOUNT_TRY(const std::string digest_text, object.String("digest"));
  auto digest = Digest::Parse(digest_text);
  if (!digest) return object.Wrong("digest", digest.error().message());
  IMGMOUNT_TRY(const auto size, object.Number("size"));
  if (!size) return object.Wrong("size", "is missing");

  Descriptor descriptor{.media_type = {}, .digest = *digest, .size = *size};
  IMGMOUNT_TRY(descriptor.media_type, object.String("mediaType"));
  IMGMOUNT_TRY(descriptor.urls, object.Strings("urls"));
  IMGMOUNT_TRY(descriptor.annotations, object.StringMap("annotations"));
  IMGMOUNT_TRY(descriptor.artifact_type, object.String("artifactType"));
  IMGMOUNT_TRY(const auto platform, object.Object("platform"));
  if (platform) {
    Platform& p = descriptor.platform.emplace();
    IMGMOUNT_TRY(p.os, platform->String("os"));
    IMGMOUNT_TRY(p.architecture, platform->String("architecture"));
    IMGMOUNT_TRY(p.variant, platform->String("variant"));
    IMGMOUNT_TRY(p.os_version, platform->String("os.version"));
    IMGMOUNT_TRY(p.os_features, platform->Strings("os.features"));
    if (p.os.empty() && p.architecture.empty()) descriptor.platform.reset();
  }
  return descriptor;
}

Result<std::vector<Descriptor>> ParseDescriptors(const JsonObject& document,
                                                 const char* key) {
  // Go programs write an empty list as null.
  IMGMOUNT_TRY(const auto objects, document.Objects(key));
  std::vector<Descriptor> descriptors;
  for (const JsonObject& object : objects) {
    IMGMOUNT_TRY(Descriptor descriptor, ParseDescriptor(object));
    descriptors.push_back(std::move(descriptor));
  }
  return descriptors;
}

Result<Manifest> ParseManifest(const JsonObject& document,
                               std::string media_type) {
  IMGMOUNT_TRY(const auto config_object, document.Object("config"));
  if (!config_object) return document.Wrong("config", "is missing");
  IMGMOUNT_TRY(Descriptor config, ParseDescriptor(*config_object));
  const std::string& type = config.media_type;
  if (!IsImageConfigType(type)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("this is an artifact and not an image: its config "
                            "has the type {}",
                            Quoted(type)));
  }
  Manifest manifest{.media_type = std::move(media_type),
                    .config = std::move(config)};
  IMGMOUNT_TRY(manifest.layers, ParseDescriptors(document, "layers"));
  if (manifest.layers.size() > kMaxLayers) {
    return document.Wrong(
        "layers", fmt::format("has {}, more than {}", manifest.layers.size(),
                              kMaxLayers));
  }
  IMGMOUNT_TRY(manifest.annotations, document.StringMap("annotations"));
  return manifest;
}

Result<Index> ParseIndex(const JsonObject& document, std::string media_type) {
  Index index;
  index.media_type = std::move(media_type);
  IMGMOUNT_TRY(index.manifests, ParseDescriptors(document, "manifests"));
  IMGMOUNT_TRY(index.annotations, document.StringMap("annotations"));
  return index;
}

// Decides between what the sender said and what the document says. Both must
// agree: else two readers of one digest could see two different images.
Result<Kind> DecideKind(const JsonObject& document, std::string_view given,
                        std::string_view own) {
  IMGMOUNT_TRY(const auto version, document.Number("schemaVersion"));
  if (version == 1 || KindOf(given) == Kind::kSchema1) return Kind::kSchema1;
  if (version != 2) return document.Wrong("schemaVersion", "must be 2");

  const bool like_index = document.Has("manifests");
  const bool like_manifest = document.Has("config") || document.Has("layers");
  if (like_index && like_manifest) {
    return document.Wrong("", "has both manifests and layers");
  }
  if (!own.empty() && KindOf(own) == Kind::kUnknown) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("manifest: media type {} is not an image's", Quoted(own)));
  }
  Kind kind = like_index      ? Kind::kIndex
              : like_manifest ? Kind::kManifest
                              : Kind::kUnknown;
  for (const std::string_view type : {own, given}) {
    const Kind said = KindOf(type);
    if (said == Kind::kUnknown) continue;
    if (kind == Kind::kUnknown) kind = said;
    if (kind != said) {
      return document.Wrong(
          "", "contents do not fit the media type " + Quoted(type));
    }
  }
  if (kind == Kind::kUnknown) {
    return document.Wrong("", "has neither layers nor manifests");
  }
  return kind;
}

}  // namespace

Result<std::variant<Manifest, Index>> ParseManifestOrIndex(
    std::string_view json, std::string_view media_type) {
  IMGMOUNT_TRY(const nlohmann::json value,
               ParseJson(json, "manifest", kMaxManifestBytes));
  IMGMOUNT_TRY(const JsonObject document, JsonObject::Of(value, "manifest"));
  IMGMOUNT_TRY(const std::string own, document.String("mediaType"));
  const std::string_view given = WithoutParameters(media_type);
  IMGMOUNT_TRY(const Kind kind, DecideKind(document, given, own));

  // Where nobody says, the shape does; an OCI document needs no mediaType.
  const auto type = [&](const char* fallback) {
    return !own.empty()                      ? own
           : KindOf(given) != Kind::kUnknown ? std::string(given)
                                             : std::string(fallback);
  };
  switch (kind) {
    case Kind::kManifest: {
      IMGMOUNT_TRY(Manifest manifest,
                   ParseManifest(document, type(kOciManifest)));
      return manifest;
    }
    case Kind::kIndex: {
      IMGMOUNT_TRY(Index index, ParseIndex(document, type(kOciIndex)));
      return index;
    }
    default:
      return Fail(ErrorCode::kUnsupported,
                  "the image is in Docker's old schema 1 format; re-push it "
                  "with a current Docker, or ask for another tag");
  }
}

bool MayBeManifestOrIndex(std::string_view media_type) {
  const Kind kind = KindOf(media_type);
  return kind == Kind::kManifest || kind == Kind::kIndex;
}

bool IsImageConfigType(std::string_view media_type) {
  return media_type == kOciConfig || media_type == kDockerConfig ||
         std::find(kMistakenConfigTypes.begin(), kMistakenConfigTypes.end(),
                   media_type) != kMistakenConfigTypes.end();
}

Status CheckLayerMediaType(const Descriptor& layer) {
  std::string_view type = layer.media_type;
  if (type == "application/vnd.docker.image.rootfs.diff.tar.gzip" ||
      type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") {
    return {};
  }
  for (const std::string_view suffix : {"+gzip", "+zstd", ".zstd"}) {
    if (type.ends_with(suffix)) {
      type.remove_suffix(suffix.size());
      break;
    }
  }
  if (type == kOciLayer || type == kOciForeignLayer || type == kDockerLayer ||
      type == kDockerForeignLayer) {
    return {};
  }
  const bool encrypted =
      layer.media_type.find("+encrypted") != std::string::npos;
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("layer {}: {} {}", layer.digest.short_hex(),
                  encrypted ? "is encrypted: media type" : "unknown media type",
                  Quoted(layer.media_type)));
}

}  // namespace imgmount
