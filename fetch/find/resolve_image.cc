// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/resolve_image.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <variant>

#include "fetch/find/suggestion.h"
#include "fetch/pull/puller.h"

namespace imgmount {
namespace {

// The descriptor that the name of a cached image stands for.
Descriptor PublishedOf(const NamedImage& named, const Image& image) {
  const auto descriptor = named.cache.FindName(named.name);
  if (descriptor && descriptor->digest == image.published_digest()) {
    return *descriptor;
  }
  Descriptor published{.media_type = image.manifest.media_type,
                       .digest = image.published_digest(),
                       .size = image.manifest_json.size()};
  if (!image.index_digest) return published;
  published.media_type = kOciIndex;
  const auto index = named.cache.ReadBlob(published.digest, kMaxManifestBytes);
  if (!index) return published;
  published.size = index->size();
  // Docker's list or OCI's index: the document says.
  if (const auto document = ParseManifestOrIndex(*index, "")) {
    if (const auto* list = std::get_if<Index>(&*document)) {
      published.media_type = list->media_type;
    }
  }
  return published;
}

// The documents that the cache has; nullopt: not all of them.
std::optional<ResolvedImage> FindCached(const NamedImage& named) {
  if (named.source->in_place()) return {};
  const auto find = [&]() -> Result<Image> {
    if (named.reference) {
      return named.cache.Find(*named.reference, named.platform);
    }
    IMGMOUNT_TRY(const Descriptor known, named.cache.FindName(named.name));
    return named.cache.Load(known, named.platform);
  };
  auto image = find();
  if (!image) return {};
  Descriptor published = PublishedOf(named, *image);
  return ResolvedImage{*std::move(image), std::move(published)};
}

Result<ResolvedImage> FindOrResolveAny(NamedImage& named) {
  auto cached = FindCached(named);
  // Missing or damaged: the source has it.
  if (!cached) return ResolveAnew(named);
  if (named.pull != PullPolicy::kAlways) return *std::move(cached);
  auto current = named.source->StillNames(named.selector, *cached);
  if (!current) return Failure(std::move(current).error().In(named.familiar));
  if (*current) return *std::move(cached);
  return ResolveAnew(named);
}

}  // namespace

Result<ResolvedImage> FindOrResolve(NamedImage& named) {
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolveAny(named));
  const Platform& found = resolved.image.config.platform;
  // Another platform is only odd where one was asked for.
  if (named.warn && named.platform_is_given && !found.architecture.empty() &&
      named.platform.Match(found) == 0) {
    named.warn(fmt::format("{}: there is no image for {}; this one is for {}",
                           named.familiar, named.platform.Text(),
                           found.Text()));
  }
  return resolved;
}

Result<Source::Document> FetchTop(NamedImage& named) {
  auto document = named.source->FetchManifest(named.selector);
  if (document) return document;
  return Failure(WithSuggestion(std::move(document).error().In(named.familiar),
                                named.familiar, named.cache));
}

Result<ResolvedImage> ResolveAnew(NamedImage& named) {
  IMGMOUNT_TRY(Source::Document top, FetchTop(named));
  auto resolved =
      Resolve(*named.source, std::move(top), named.cache, named.platform);
  if (!resolved) return Failure(std::move(resolved).error().In(named.familiar));
  return resolved;
}

}  // namespace imgmount
