#include "fetch/image_finder.h"

#include <CLI/CLI.hpp>

#include "fetch/archive/docker_archive.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/archive/tar_files.h"
#include "fetch/layout_source.h"
#include "fetch/registry/certs_d.h"
#include "fetch/registry/registry_source.h"
#include "fetch/transport.h"
#include "meta/cli/quantities.h"
#include "meta/store/removal.h"

namespace imgmount {
namespace {

Result<std::unique_ptr<Source>> OpenRegistry(const Reference& reference,
                                             const ImageOptions& options,
                                             const ToolIo& io) {
  IMGMOUNT_TRY(const RegistriesConf conf,
               RegistriesConf::Load(options.registries_conf, io));
  IMGMOUNT_TRY(std::vector<Endpoint> endpoints, conf.EndpointsFor(reference));
  for (Endpoint& endpoint : endpoints) {
    IMGMOUNT_TRY(endpoint.tls, FindCertificates(endpoint.registry, io));
    if (!options.tls_verify) endpoint.insecure = true;
  }
  IMGMOUNT_TRY(Credentials credentials,
               Credentials::Load(
                   {.creds = options.creds, .authfile = options.authfile}, io));
  RegistrySource::Options source_options;
  if (const CancelFlag* cancel = options.cancel; cancel != nullptr) {
    source_options.http.stopped = [cancel] { return cancel->load(); };
  }
  return std::make_unique<RegistrySource>(endpoints, std::move(credentials),
                                          std::move(source_options));
}

Result<std::optional<uint64_t>> MaxBytes(const ImageOptions& options,
                                         const ToolIo& io) {
  std::string size = options.cache_max_size;
  std::string_view from = "--cache-max-size";
  if (size.empty()) {
    from = "IMGMOUNT_CACHE_MAX_SIZE";
    size = io.env(std::string(from)).value_or("");
  }
  if (size.empty()) return std::optional<uint64_t>();
  const auto bytes = ParseSize(size);
  if (!bytes) return Failure(bytes.error().In(from));
  return std::optional(*bytes);
}

// The image's name in the cache: with the whole path, as the working folder
// changes.
std::string NameOfFile(const ImageName& parsed, const std::string& image) {
  const std::string prefix = image.substr(0, image.find(':') + 1);
  std::string name =
      prefix +
      std::filesystem::absolute(parsed.path).lexically_normal().string();
  if (!parsed.reference.empty()) name += ":" + parsed.reference;
  return name;
}

// Of an image that the cache has: what its name stands for there.
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

}  // namespace

void ImageOptions::AddCacheTo(CLI::App& app) {
  app.add_option("--cache-dir", cache_dir,
                 "Where images are kept (else $IMGMOUNT_CACHE, else "
                 "/var/cache/imgmount for root, else ~/.cache/imgmount)")
      ->type_name("DIR");
}

std::filesystem::path ImageOptions::CacheFolder(const ToolIo& io) const {
  return cache_dir.empty() ? Cache::DefaultFolder(io)
                           : std::filesystem::path(cache_dir);
}

void ImageOptions::AddTo(CLI::App& app) {
  AddCacheTo(app);
  app.add_option("--cache-max-size", cache_max_size,
                 "After a pull, remove the images used least recently until "
                 "the cache has at most this size, such as 20G (else "
                 "$IMGMOUNT_CACHE_MAX_SIZE, else no limit)")
      ->type_name("SIZE");
  app.add_option("--platform", platform,
                 "The platform of a multi-platform image (else this "
                 "machine's), such as linux/arm64")
      ->type_name("OS/ARCH");
  app.add_option("--registries-conf", registries_conf,
                 "Mirrors and settings of registries (else "
                 "$CONTAINERS_REGISTRIES_CONF, else "
                 "~/.config/containers/registries.conf, else that of /etc)")
      ->type_name("FILE");
  app.add_option("--authfile", authfile,
                 "Logins of registries (else $REGISTRY_AUTH_FILE, else those "
                 "of podman login and docker login)")
      ->type_name("FILE");
  app.add_option("--creds", creds, "The login for the image's registry")
      ->type_name("USER[:PASSWORD]");
  app.add_flag("--tls-verify", tls_verify,
               "--tls-verify=false accepts plain HTTP and unknown "
               "certificates");
  app.add_flag("-q,--quiet", quiet, "Show no progress");
}

Result<NamedImage> OpenImage(const std::string& image,
                             const ImageOptions& options, const ToolIo& io) {
  IMGMOUNT_TRY(const ImageName parsed, ImageName::Parse(image));
  Platform platform = Platform::OfThisMachine();
  if (!options.platform.empty()) {
    IMGMOUNT_TRY(platform, Platform::Parse(options.platform));
  }
  const std::filesystem::path folder = options.CacheFolder(io);
  IMGMOUNT_TRY(const auto max_bytes, MaxBytes(options, io));
  if (parsed.transport == Transport::kRegistry) {
    // Before the cache is made: what is no name leaves no folder behind.
    IMGMOUNT_TRY(Reference reference, Reference::Parse(parsed.reference));
    IMGMOUNT_TRY(auto source, OpenRegistry(reference, options, io));
    IMGMOUNT_TRY(Cache cache, Cache::Open(folder));
    return NamedImage{.name = reference.Canonical(),
                      .familiar = reference.Familiar(),
                      .selector = reference.Selector(),
                      .reference = reference,
                      .cache = std::move(cache),
                      .platform = platform,
                      .source = std::move(source),
                      .cache_max_bytes = max_bytes};
  }
  IMGMOUNT_TRY(Cache cache, Cache::Open(folder));
  NamedImage named{.name = NameOfFile(parsed, image),
                   .familiar = image,
                   .selector = parsed.reference,
                   .reference = {},
                   .cache = cache,
                   .platform = platform,
                   .source = {},
                   .cache_max_bytes = max_bytes};
  if (parsed.transport == Transport::kOciLayout) {
    IMGMOUNT_TRY(named.cache, cache.WithLayout(parsed.path));
    named.source = std::make_unique<LayoutSource>(named.cache);
    return named;
  }
  IMGMOUNT_TRY(
      TarFiles files,
      TarFiles::Open(parsed.path, cache.folder() / "imgmount/partial"));
  if (parsed.transport == Transport::kOciArchive) {
    named.source = std::make_unique<OciArchive>(std::move(files));
  } else {
    IMGMOUNT_TRY(named.source,
                 DockerArchive::Open(std::move(files), parsed.reference));
  }
  return named;
}

Result<ResolvedImage> FindOrResolve(NamedImage& named) {
  if (named.reference) {
    auto found = named.cache.Find(*named.reference, named.platform);
    if (found) {
      Descriptor published = PublishedOf(named, *found);
      return ResolvedImage{*std::move(found), std::move(published)};
    }
  }
  // Whatever is wrong with what is cached, the source has it right.
  return ResolveAnew(named);
}

Result<ResolvedImage> ResolveAnew(NamedImage& named) {
  auto resolved =
      Resolve(*named.source, named.selector, named.cache, named.platform);
  if (!resolved) return Failure(std::move(resolved).error().In(named.familiar));
  return resolved;
}

Status PullLayers(NamedImage& named, const ResolvedImage& resolved,
                  const PullOptions& options, PullObserver& observer) {
  IMGMOUNT_CHECK(PullLayers(*named.source, resolved, named.name, named.cache,
                            options, observer));
  if (!named.cache_max_bytes) return {};
  // Not the layout of an oci:DIR.
  IMGMOUNT_TRY(const Cache cache, Cache::Open(named.cache.folder()));
  IMGMOUNT_CHECK(
      KeepBelow(cache, *named.cache_max_bytes, resolved.published.digest));
  return {};
}

}  // namespace imgmount
