// SPDX-License-Identifier: Apache-2.0
// ImageOptions: the options of all tools that say where images come from and
// how they are fetched, as the user wrote them.
#ifndef IMGMOUNT_TOOLS_IMAGE_OPTIONS_H_
#define IMGMOUNT_TOOLS_IMAGE_OPTIONS_H_

#include <filesystem>
#include <string>

#include "fetch/find/fetch_config.h"
#include "fetch/progress/pull_progress.h"
#include "meta/base/cancel_flag.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"

namespace CLI {
class App;
}

namespace imgmount {

// AddTo() declares them with their help.
struct ImageOptions {
  std::string cache_dir = {};        // empty: Cache::DefaultFolder
  std::string platform = {};         // empty: this machine's
  std::string registries_conf = {};  // empty: as RegistriesConf::Load says
  std::string creds = {};            // "user:password" for the named registry
  std::string authfile = {};         // empty: as credentials.h says
  // Empty: IMGMOUNT_CACHE_MAX_SIZE, else none.
  std::string cache_max_size = {};
  // Empty: IMGMOUNT_PULL_PROGRESS_TIMEOUT, else that of HttpOptions.
  std::string pull_progress_timeout = {};
  bool tls_verify = true;
  PullPolicy pull = PullPolicy::kMissing;
  bool offline = false;
  int max_concurrent_downloads = 3;
  int max_connections_per_layer = 4;
  ProgressStyle progress = ProgressStyle::kAuto;
  bool quiet = false;

  // The policy set before is the default.
  void AddTo(CLI::App& app);
  // Only --cache-dir.
  void AddCacheTo(CLI::App& app);

  std::filesystem::path CacheFolder(const ToolIo& io) const;
  // With what the environment says where options do not. kUsage names the
  // option or variable. `io` and `cancel` outlive the result.
  Result<FetchConfig> Config(const ToolIo& io, const CancelFlag& cancel) const;
  // Shows pulls on stderr. `io` outlives the result.
  ProgressFactory Progress(const ToolIo& io) const;
  // As Report(), but an object where progress on stderr is told in such.
  int ReportFailure(const ToolIo& io, const std::string& tool,
                    const Error& error) const;
};

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMAGE_OPTIONS_H_
