// SPDX-License-Identifier: Apache-2.0
// FetchConfig: all that decides which image a name stands for, where it comes
// from and how it is fetched. Programs make it from their command lines.
#ifndef IMGMOUNT_FETCH_FIND_FETCH_CONFIG_H_
#define IMGMOUNT_FETCH_FIND_FETCH_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fetch/config/environment.h"
#include "fetch/pull/puller.h"
#include "fetch/source/source.h"
#include "meta/image/platform.h"

namespace imgmount {

// When a source is asked for what the cache may have, as in `docker run`.
enum class PullPolicy {
  kAlways,   // every time: a tag may have moved
  kMissing,  // when the cache lacks it
  kNever,
};

struct FetchConfig {
  bool AllowsRequests() const { return !offline && pull != PullPolicy::kNever; }

  std::filesystem::path cache_folder;
  std::optional<uint64_t> cache_max_bytes = {};  // that a pull leaves behind
  std::optional<Platform> platform = {};         // nullopt: this machine's
  std::string registries_conf = {};  // "": as RegistriesConf::Load() says
  std::string creds = {};            // "user:password" for the named registry
  std::string authfile = {};         // "": as credentials.h says
  FetchEnvironment environment = {};
  bool tls_verify = true;
  PullPolicy pull = PullPolicy::kMissing;
  bool offline = false;  // as kNever, whatever `pull` says
  // nullopt: that of HttpOptions.
  std::optional<std::chrono::seconds> stall_timeout = {};
  PullOptions pull_options = {};
  // Hears what sources say, unless another listens; may be null.
  std::shared_ptr<SourceListener> listener = nullptr;
  // Called, if set, with what is odd about an image that was found.
  std::function<void(const std::string&)> warn = {};
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_FETCH_CONFIG_H_
