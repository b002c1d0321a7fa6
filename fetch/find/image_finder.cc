// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/image_finder.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <map>

#include "fetch/archive/docker_archive.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/archive/tar_files.h"
#include "fetch/config/endpoints.h"
#include "fetch/engine/engine_address.h"
#include "fetch/engine/engine_source.h"
#include "fetch/registry/registry_source.h"
#include "fetch/source/layout_source.h"
#include "fetch/source/offline_source.h"
#include "meta/cli/quantities.h"
#include "meta/store/image_names.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

std::function<bool()> StoppedBy(const ImageOptions& options) {
  const CancelFlag* cancel = options.cancel;
  return [cancel] { return cancel != nullptr && cancel->load(); };
}

// What an option says, else a variable; nullopt: neither does. Mistakes are
// told with the name of the one that has them.
template <typename T>
Result<std::optional<T>> Setting(const std::string& option,
                                 std::string_view option_name,
                                 const char* variable, const ToolIo& io,
                                 Result<T> (*parse)(std::string_view)) {
  const std::string text =
      option.empty() ? io.env(variable).value_or("") : option;
  if (text.empty()) return std::optional<T>();
  auto value = parse(text);
  if (!value) {
    return Failure(std::move(value).error().In(
        option.empty() ? std::string_view(variable) : option_name));
  }
  return std::optional(*value);
}

Status SetStallTimeout(const ImageOptions& options, const ToolIo& io,
                       HttpOptions& http) {
  IMGMOUNT_TRY(const auto seconds,
               Setting(options.pull_progress_timeout, "--pull-progress-timeout",
                       "IMGMOUNT_PULL_PROGRESS_TIMEOUT", io, ParseDuration));
  if (seconds) http.stall_timeout = std::chrono::seconds(*seconds);
  return {};
}

Result<std::unique_ptr<Source>> OpenRegistry(const Reference& reference,
                                             const RegistriesConf& conf,
                                             const ImageOptions& options,
                                             const ToolIo& io) {
  RegistrySource::Options source_options;
  IMGMOUNT_CHECK(SetStallTimeout(options, io, source_options.http));
  if (options.offline || options.pull == PullPolicy::kNever) {
    return std::make_unique<OfflineSource>(options.offline ? "--offline"
                                                           : "--pull=never");
  }
  IMGMOUNT_TRY(std::vector<Endpoint> endpoints,
               FindEndpoints(reference, conf, options.tls_verify, io));
  IMGMOUNT_TRY(Credentials credentials, LoadCredentials(options, conf, io));
  source_options.http.stopped = StoppedBy(options);
  if (io.env("http_proxy").value_or("").empty()) {
    source_options.http.http_proxy = io.env("HTTP_PROXY").value_or("");
  }
  return std::make_unique<RegistrySource>(endpoints, std::move(credentials),
                                          std::move(source_options));
}

// Declares an option whose values are words, each standing for a value.
template <typename T>
CLI::Option* AddWords(CLI::App& app, const std::string& name, T& value,
                      const std::map<std::string, T>& words,
                      const std::string& help) {
  std::vector<std::string> names;
  std::string chosen;
  for (const auto& [word, meaning] : words) {
    names.push_back(word);
    if (meaning == value) chosen = word;
  }
  return app
      .add_option_function<std::string>(
          name,
          [&value, words](const std::string& word) { value = words.at(word); },
          help)
      ->check(CLI::IsMember(names))
      ->type_name("WORD")
      ->default_str(chosen);
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

// What the cache has of an image, layers apart.
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

Result<NamedImage> OpenCandidate(const Reference& reference,
                                 const RegistriesConf& conf, const Cache& cache,
                                 const Platform& platform,
                                 const ImageOptions& options,
                                 const ToolIo& io) {
  IMGMOUNT_TRY(auto source, OpenRegistry(reference, conf, options, io));
  return NamedImage{.name = reference.Canonical(),
                    .familiar = reference.Familiar(),
                    .selector = reference.Selector(),
                    .reference = reference,
                    .cache = cache,
                    .platform = platform,
                    .pull = options.offline ? PullPolicy::kNever : options.pull,
                    .source = std::move(source)};
}

// The error, of an image that is not there, with what its name may have been
// meant for behind it. (Registries deny what they do not have.)
Error WithHint(const Error& error, std::string_view name, const Cache& cache) {
  const auto images = cache.List();
  if (!images || (error.code() != ErrorCode::kNotFound &&
                  error.code() != ErrorCode::kDenied)) {
    return error;
  }
  std::vector<std::string> names;
  for (const Cache::NamedImage& image : *images) {
    names.push_back(ShownName(image.name));
  }
  return Error(error.code(), error.message() + DidYouMeanImage(name, names),
               error.error_number());
}

// The candidate that is in the cache, else the first that a registry has.
Result<Reference> Choose(const std::string& short_name,
                         const std::vector<Candidate>& candidates,
                         const RegistriesConf& conf, const Cache& cache,
                         const Platform& platform, const ImageOptions& options,
                         const ToolIo& io) {
  for (const Candidate& candidate : candidates) {
    if (cache.Find(candidate.reference, platform)) return candidate.reference;
  }
  if (!conf.enforcing_file().empty()) {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates) {
      names.push_back(candidate.reference.Familiar());
    }
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: which one is meant? short-name-mode in {} is "
                            "enforcing: write {}",
                            short_name, conf.enforcing_file(),
                            fmt::join(names, " or ")));
  }
  std::string refusals;
  ErrorCode code = ErrorCode::kNotFound;
  for (const Candidate& candidate : candidates) {
    const Reference& reference = candidate.reference;
    Status asked;
    if (auto source = OpenRegistry(reference, conf, options, io); source) {
      auto answer = (*source)->FetchManifest(reference.Selector());
      if (answer) return reference;
      asked = Failure(std::move(answer).error());
    } else {
      asked = Failure(std::move(source).error());
    }
    const Error& error = asked.error();
    if (error.code() == ErrorCode::kCancelled) return Failure(error);
    if (error.code() != ErrorCode::kNotFound) code = error.code();
    refusals += (refusals.empty() ? "" : "; ") + reference.registry + ": " +
                error.message();
  }
  return Fail(code, fmt::format("{}: in none of the {}: {}", short_name,
                                candidates.front().why, refusals));
}

Result<NamedImage> OpenRegistryImage(const ImageName& name,
                                     const std::filesystem::path& folder,
                                     const Platform& platform,
                                     const ImageOptions& options,
                                     const ToolIo& io) {
  IMGMOUNT_TRY(const RegistriesConf conf,
               RegistriesConf::Load(options.registries_conf, io));
  IMGMOUNT_TRY(const auto candidates, CandidatesFor(name, conf));
  const Reference& first = candidates.front().reference;
  // What is blocked or malformed is told before a cache is made.
  IMGMOUNT_CHECK(OpenRegistry(first, conf, options, io));
  IMGMOUNT_TRY(const Cache cache, Cache::Open(folder));
  if (candidates.size() == 1) {
    return OpenCandidate(first, conf, cache, platform, options, io);
  }
  const auto chosen =
      Choose(name.reference, candidates, conf, cache, platform, options, io);
  if (!chosen) {
    return Failure(WithHint(chosen.error(), first.Familiar(), cache));
  }
  return OpenCandidate(*chosen, conf, cache, platform, options, io);
}

Result<NamedImage> OpenEngineImage(const ImageName& name,
                                   const std::string& text,
                                   const std::filesystem::path& folder,
                                   const Platform& platform,
                                   const ImageOptions& options,
                                   const ToolIo& io) {
  // Without a tag the engine would export all that there are.
  std::string image = name.reference;
  if (!image.starts_with("sha256:")) {
    IMGMOUNT_TRY(const Reference reference, Reference::Parse(image));
    image = reference.Familiar();
  }
  IMGMOUNT_TRY(EngineAddress engine, FindEngine(name.transport, io));
  IMGMOUNT_TRY(const Cache cache, Cache::Open(folder));
  return NamedImage{
      .name = text.substr(0, text.find(':') + 1) + image,
      .familiar = text,
      .selector = "",
      .reference = {},
      .cache = cache,
      .platform = platform,
      .pull = PullPolicy::kAlways,  // it is on this machine
      .source = std::make_unique<EngineSource>(
          std::move(engine), image, cache.folder() / "imgmount/partial",
          StoppedBy(options))};
}

}  // namespace

Result<std::vector<Candidate>> CandidatesFor(const ImageName& name,
                                             const RegistriesConf& conf) {
  IMGMOUNT_TRY(const Reference reference, Reference::Parse(name.reference));
  if (name.explicitly_docker || Reference::NamesRegistry(name.reference)) {
    return std::vector{Candidate{reference, ""}};
  }
  std::vector<Candidate> candidates;
  for (const auto& [text, why] : conf.FullNamesOf(name.reference)) {
    IMGMOUNT_TRY(const Reference full, Reference::Parse(text));
    candidates.push_back({full, why});
  }
  return candidates;
}

Result<Credentials> LoadCredentials(const ImageOptions& options,
                                    const RegistriesConf& conf,
                                    const ToolIo& io) {
  Credentials::Options sources{.creds = options.creds,
                               .authfile = options.authfile};
  if (!conf.credential_helpers().empty()) {
    sources.helpers = conf.credential_helpers();
    sources.helpers_file = conf.credential_helpers_file();
  }
  return Credentials::Load(sources, io);
}

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
  AddWords<PullPolicy>(app, "--pull", pull,
                       {{"always", PullPolicy::kAlways},
                        {"missing", PullPolicy::kMissing},
                        {"never", PullPolicy::kNever}},
                       "When to ask the registry; missing: for what is not in "
                       "the cache");
  app.add_flag("--offline", offline,
               "Use the cache alone, without any request (as --pull=never)");
  app.add_option("--max-concurrent-downloads", max_concurrent_downloads,
                 "Layers downloaded at a time")
      ->check(CLI::Range(1, 64))
      ->type_name("N")
      ->capture_default_str();
  app.add_option(
         "--pull-progress-timeout", pull_progress_timeout,
         "Ask a server that sends nothing for so long, such as 5m, again "
         "for the rest; 0: no limit (else "
         "$IMGMOUNT_PULL_PROGRESS_TIMEOUT, else 60s)")
      ->type_name("DURATION");
  AddWords<ProgressStyle>(app, "--progress", progress,
                          {{"auto", ProgressStyle::kAuto},
                           {"plain", ProgressStyle::kPlain},
                           {"json", ProgressStyle::kJson}},
                          "How to show a pull; plain: a line per change; json: "
                          "an object per event");
  app.add_flag("-q,--quiet", quiet, "Show no progress");
}

namespace {

Result<NamedImage> OpenNamedImage(const std::string& image,
                                  const ImageOptions& options,
                                  const ToolIo& io) {
  IMGMOUNT_TRY(const ImageName parsed, ImageName::Parse(image));
  Platform platform = Platform::OfThisMachine();
  if (!options.platform.empty()) {
    IMGMOUNT_TRY(platform, Platform::Parse(options.platform));
  }
  const std::filesystem::path folder = options.CacheFolder(io);
  IMGMOUNT_TRY(const auto max_bytes,
               Setting(options.cache_max_size, "--cache-max-size",
                       "IMGMOUNT_CACHE_MAX_SIZE", io, ParseSize));
  if (parsed.transport == Transport::kRegistry) {
    IMGMOUNT_TRY(NamedImage named,
                 OpenRegistryImage(parsed, folder, platform, options, io));
    named.cache_max_bytes = max_bytes;
    return named;
  }
  if (parsed.transport == Transport::kDockerDaemon ||
      parsed.transport == Transport::kContainersStorage) {
    IMGMOUNT_TRY(NamedImage named,
                 OpenEngineImage(parsed, image, folder, platform, options, io));
    named.cache_max_bytes = max_bytes;
    return named;
  }
  IMGMOUNT_TRY(Cache cache, Cache::Open(folder));
  NamedImage named{.name = NameOfFile(parsed, image),
                   .familiar = image,
                   .selector = parsed.reference,
                   .reference = {},
                   .cache = cache,
                   .platform = platform,
                   .pull = PullPolicy::kAlways,  // a file costs nothing to ask
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

Result<ResolvedImage> FindOrResolveAny(NamedImage& named) {
  auto cached = FindCached(named);
  // Whatever is wrong with what is cached, the source has it right.
  if (!cached) return ResolveAnew(named);
  if (named.pull != PullPolicy::kAlways) return *std::move(cached);
  auto current = named.source->StillNames(named.selector, *cached);
  if (!current) return Failure(std::move(current).error().In(named.familiar));
  if (*current) return *std::move(cached);
  return ResolveAnew(named);
}

}  // namespace

Result<NamedImage> OpenImage(const std::string& image,
                             const ImageOptions& options, const ToolIo& io) {
  IMGMOUNT_TRY(NamedImage named, OpenNamedImage(image, options, io));
  if (!options.platform.empty()) {
    named.warn = [&io](const std::string& text) {
      io.err << "warning: " << text << '\n';
    };
  }
  return named;
}

Result<ResolvedImage> FindOrResolve(NamedImage& named) {
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolveAny(named));
  const Platform& found = resolved.image.config.platform;
  if (named.warn && !found.architecture.empty() &&
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
  return Failure(WithHint(std::move(document).error().In(named.familiar),
                          named.familiar, named.cache));
}

Result<ResolvedImage> ResolveAnew(NamedImage& named) {
  IMGMOUNT_TRY(Source::Document top, FetchTop(named));
  auto resolved =
      Resolve(*named.source, std::move(top), named.cache, named.platform);
  if (!resolved) return Failure(std::move(resolved).error().In(named.familiar));
  return resolved;
}

Status PullLayers(NamedImage& named, const ResolvedImage& resolved,
                  const ImageOptions& options, PullObserver& observer) {
  IMGMOUNT_CHECK(
      PullLayers(*named.source, resolved, named.name, named.cache,
                 {.platform = named.platform,
                  .max_concurrent_downloads = options.max_concurrent_downloads,
                  .cancel = options.cancel},
                 observer));
  if (!named.cache_max_bytes) return {};
  // Not the layout of an oci:DIR.
  IMGMOUNT_TRY(const Cache cache, Cache::Open(named.cache.folder()));
  IMGMOUNT_CHECK(
      KeepBelow(cache, *named.cache_max_bytes, resolved.published.digest));
  return {};
}

}  // namespace imgmount
