// SPDX-License-Identifier: Apache-2.0
// From the words on a command line to an image: what every tool does first.
//
// IMAGE is a reference, or one with a transport in front, spelled as in
// containers-transports(5): "nginx", "docker://nginx", "oci:DIR[:REF]".
#ifndef IMGMOUNT_FETCH_FIND_IMAGE_FINDER_H_
#define IMGMOUNT_FETCH_FIND_IMAGE_FINDER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/progress/pull_progress.h"
#include "fetch/pull/puller.h"
#include "fetch/source/transport.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/image/platform.h"
#include "meta/store/cache.h"

namespace CLI {
class App;
}

namespace imgmount {

// When a source is asked for what the cache may have, as in `docker run`.
enum class PullPolicy {
  kAlways,   // every time: a tag may have moved
  kMissing,  // when the cache lacks it
  kNever,
};

// Options that all tools share; AddTo() declares them with their help.
struct ImageOptions {
  std::string cache_dir = {};  // empty: Cache::DefaultFolder
  std::string platform = {};   // empty: this machine's
  std::string registries_conf =
      {};                     // empty: CONTAINERS_REGISTRIES_CONF, then files
  std::string creds = {};     // "user:password" for the named registry
  std::string authfile = {};  // empty: as registry/credentials.h says
  // Empty: IMGMOUNT_CACHE_MAX_SIZE, else none.
  std::string cache_max_size = {};
  // Empty: IMGMOUNT_PULL_PROGRESS_TIMEOUT, else that of HttpOptions.
  std::string pull_progress_timeout = {};
  bool tls_verify = true;
  PullPolicy pull = PullPolicy::kMissing;
  bool offline = false;
  int max_concurrent_downloads = 3;
  ProgressStyle progress = ProgressStyle::kAuto;
  bool quiet = false;
  const CancelFlag* cancel = nullptr;  // may be null

  // The policy set before is the default.
  void AddTo(CLI::App& app);
  // Only --cache-dir.
  void AddCacheTo(CLI::App& app);
  std::filesystem::path CacheFolder(const ToolIo& io) const;
};

// A command-line IMAGE, ready to be asked. Owns what it refers to.
struct NamedImage {
  std::string name;  // for index.json and messages: Canonical() or "oci:…"
  std::string familiar;                // as Docker would print it
  std::string selector;                // tag or digest
  std::optional<Reference> reference;  // of a registry's image
  Cache cache;  // of a layout transport: Cache::WithLayout, read in place
  Platform platform;
  PullPolicy pull;
  std::unique_ptr<Source> source;
  std::optional<uint64_t> cache_max_bytes = {};
  // Called, if set, with what is odd about the image that was found.
  std::function<void(const std::string&)> warn = {};
};

// What a registry's image name may stand for, best first, and why.
struct Candidate {
  Reference reference;
  std::string why;  // "": the name says it itself
};
Result<std::vector<Candidate>> CandidatesFor(const ImageName& name,
                                             const RegistriesConf& conf);

// Logins, as options and registries.conf say.
Result<Credentials> LoadCredentials(const ImageOptions& options,
                                    const RegistriesConf& conf,
                                    const ToolIo& io);

// No request is made, unless the name has no registry and several registries
// are configured for such names: then they are asked in turn who has it, if
// none of their images is in the cache.
Result<NamedImage> OpenImage(const std::string& image,
                             const ImageOptions& options, const ToolIo& io);

// Manifest and config, as the pull policy says: from the cache when they are
// there, else from the source (at most a few kilobytes; no layer). A source
// that is always asked gets one small question when the cache has an answer.
// An image that is only there for another platform than was asked for is taken,
// with a warning, as `docker pull` does.
Result<ResolvedImage> FindOrResolve(NamedImage& image);

// The manifest or index that the name stands for, from the source. Where there
// is no such image, a cached one with a similar name is suggested.
Result<Source::Document> FetchTop(NamedImage& image);

// What the source says now: as `docker pull`, a tag may have moved.
Result<ResolvedImage> ResolveAnew(NamedImage& image);

// PullLayers() into the image's own cache under its own name; then the cache is
// kept below its size, if it has one.
Status PullLayers(NamedImage& image, const ResolvedImage& resolved,
                  const ImageOptions& options, PullObserver& observer);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_IMAGE_FINDER_H_
