// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/open_image.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "fetch/archive/docker_archive.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/archive/tar_files.h"
#include "fetch/config/registries_conf.h"
#include "fetch/engine/engine_address.h"
#include "fetch/engine/engine_source.h"
#include "fetch/find/candidates.h"
#include "fetch/find/image_id.h"
#include "fetch/find/open_registry.h"
#include "fetch/find/suggestion.h"
#include "fetch/source/layout_source.h"
#include "fetch/source/transport.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

// "oci:", in front of a name that has one.
std::string Prefix(const std::string& image) {
  return image.substr(0, image.find(':') + 1);
}

fs::path ScratchFolder(const Cache& cache) {
  return cache.folder() / "imgmount/partial";
}

// An image that is on this machine already, so that its source is always asked.
NamedImage LocalImage(std::string name, const std::string& familiar,
                      std::string selector, const Cache& cache,
                      const Platform& platform) {
  return {.name = std::move(name),
          .familiar = familiar,
          .selector = std::move(selector),
          .reference = {},
          .cache = cache,
          .platform = platform,
          .pull = PullPolicy::kAlways,
          .source = {}};
}

Result<NamedImage> OpenRegistryImage(const ImageName& name,
                                     const Platform& platform,
                                     const FetchConfig& config) {
  IMGMOUNT_TRY(
      const RegistriesConf conf,
      RegistriesConf::Load(config.registries_conf, config.environment));
  const auto parsed = CandidatesFor(name, conf);
  if (!parsed) {
    return Failure(WithTransport(parsed.error(), name.reference));
  }
  const std::vector<Candidate>& candidates = *parsed;
  const auto open = [&](const Reference& reference) {
    return OpenRegistry(reference, conf, config);
  };
  Reference reference = candidates.front().reference;
  // Here, so that no cache is made for a name that is blocked.
  IMGMOUNT_TRY(auto source, open(reference));
  IMGMOUNT_TRY(const Cache cache, Cache::Open(config.cache_folder));
  if (candidates.size() > 1) {
    const auto chosen = ChooseCandidate(name.reference, candidates, conf, cache,
                                        platform, open);
    if (!chosen) {
      return Failure(
          WithSuggestion(chosen.error(), reference.Familiar(), cache));
    }
    reference = *chosen;
    IMGMOUNT_TRY(source, open(reference));
  }
  return NamedImage{.name = reference.Canonical(),
                    .familiar = reference.Effective().Familiar(),
                    .selector = reference.Selector(),
                    .reference = reference,
                    .cache = cache,
                    .platform = platform,
                    .pull = config.offline ? PullPolicy::kNever : config.pull,
                    .source = std::move(source)};
}

Result<NamedImage> OpenEngineImage(const ImageName& name,
                                   const std::string& image,
                                   const Platform& platform,
                                   const FetchConfig& config) {
  // Without a tag the engine would export all that there are.
  std::string with_tag = name.reference;
  if (!with_tag.starts_with("sha256:")) {
    IMGMOUNT_TRY(const Reference reference, Reference::Parse(with_tag));
    with_tag = reference.Familiar();
  }
  IMGMOUNT_TRY(EngineAddress engine,
               FindEngine(name.transport, config.environment));
  IMGMOUNT_TRY(const Cache cache, Cache::Open(config.cache_folder));
  NamedImage named =
      LocalImage(Prefix(image) + with_tag, image, "", cache, platform);
  named.source = std::make_unique<EngineSource>(
      std::move(engine), with_tag, ScratchFolder(cache),
      StoppedBy(config.pull_options.cancel));
  return named;
}

Result<NamedImage> OpenFileImage(const ImageName& parsed,
                                 const std::string& image,
                                 const Platform& platform,
                                 const FetchConfig& config) {
  IMGMOUNT_TRY(const Cache cache, Cache::Open(config.cache_folder));
  // The whole path, as the working folder changes.
  std::string name =
      Prefix(image) + fs::absolute(parsed.path).lexically_normal().string();
  if (!parsed.reference.empty()) name += ":" + parsed.reference;
  NamedImage named =
      LocalImage(std::move(name), image, parsed.reference, cache, platform);
  if (parsed.transport == Transport::kOciLayout) {
    IMGMOUNT_TRY(named.cache, cache.WithLayout(parsed.path));
    named.source = std::make_unique<LayoutSource>(named.cache);
    return named;
  }
  IMGMOUNT_TRY(TarFiles files,
               TarFiles::Open(parsed.path, ScratchFolder(cache)));
  if (parsed.transport == Transport::kOciArchive) {
    named.source = std::make_unique<OciArchive>(std::move(files));
  } else {
    IMGMOUNT_TRY(named.source,
                 DockerArchive::Open(std::move(files), parsed.reference));
  }
  return named;
}

Result<NamedImage> Open(const std::string& image, const FetchConfig& config) {
  IMGMOUNT_TRY(const ImageName parsed, ImageName::Parse(image));
  const Platform platform = config.platform.value_or(Platform::OfThisMachine());
  switch (parsed.transport) {
    case Transport::kRegistry:
      return OpenRegistryImage(parsed, platform, config);
    case Transport::kDockerDaemon:
    case Transport::kContainersStorage:
      return OpenEngineImage(parsed, image, platform, config);
    case Transport::kOciLayout:
    case Transport::kOciArchive:
    case Transport::kDockerArchive:
      break;
  }
  auto opened = OpenFileImage(parsed, image, platform, config);
  if (opened) return opened;
  return Failure(WithTransport(opened.error(), image));
}

}  // namespace

Result<NamedImage> OpenImage(const std::string& image,
                             const FetchConfig& given) {
  IMGMOUNT_TRY(const auto by_id, FindById(image, given.cache_folder));
  FetchConfig config = given;
  if (by_id) {
    if (!config.platform) config.platform = by_id->platform;
    // Its name may stand for another image by now.
    if (config.pull == PullPolicy::kAlways) config.pull = PullPolicy::kMissing;
  }
  IMGMOUNT_TRY(NamedImage named, Open(by_id ? by_id->name : image, config));
  named.listener = config.listener;
  named.pull_options = config.pull_options;
  named.pull_options.platform = named.platform;
  named.cache_max_bytes = config.cache_max_bytes;
  named.platform_is_given = given.platform.has_value();
  named.warn = config.warn;
  return named;
}

}  // namespace imgmount
