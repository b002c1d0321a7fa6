// SPDX-License-Identifier: Apache-2.0
#include "tools/image_options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/progress/json_progress.h"
#include "meta/cli/terminal.h"
#include "meta/image/platform.h"
#include "meta/store/cache.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

// The value of an option, else of a variable; nullopt: neither is set. Errors
// name the one that has them.
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
  app.add_option("--max-connections-per-layer", max_connections_per_layer,
                 "Connections over which a layer of 32 MiB or more comes at a "
                 "time")
      ->check(CLI::Range(1, 16))
      ->type_name("N")
      ->capture_default_str();
  app.add_option(
         "--pull-progress-timeout", pull_progress_timeout,
         "Ask a server that sends less than 1 KiB in so long, such as 5m, "
         "again, five times at most; 0: no limit (else "
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

Result<FetchConfig> ImageOptions::Config(const ToolIo& io,
                                         const CancelFlag& cancel) const {
  FetchConfig config{
      .cache_folder = CacheFolder(io),
      .registries_conf = registries_conf,
      .creds = creds,
      .authfile = authfile,
      .environment = FetchEnvironment::Read(io.env),
      .tls_verify = tls_verify,
      .pull = pull,
      .offline = offline,
      .pull_options = {.max_concurrent_downloads = max_concurrent_downloads,
                       .max_connections_per_layer = max_connections_per_layer,
                       .cancel = &cancel},
      .listener = MakeProgress(io.err, /*is_terminal=*/false, STDERR_FILENO,
                               progress, quiet),
      .warn = [&io](const std::string& text) {
        io.err << "warning: " << text << '\n';
      }};
  if (!platform.empty()) {
    IMGMOUNT_TRY(config.platform, Platform::Parse(platform));
  }
  IMGMOUNT_TRY(config.cache_max_bytes,
               Setting(cache_max_size, "--cache-max-size",
                       "IMGMOUNT_CACHE_MAX_SIZE", io, ParseSize));
  IMGMOUNT_TRY(const auto seconds,
               Setting(pull_progress_timeout, "--pull-progress-timeout",
                       "IMGMOUNT_PULL_PROGRESS_TIMEOUT", io, ParseDuration));
  if (seconds) config.stall_timeout = std::chrono::seconds(*seconds);
  return config;
}

ProgressFactory ImageOptions::Progress(const ToolIo& io) const {
  return [&io, style = progress, is_quiet = quiet] {
    return MakeProgress(io.err, io.err_is_terminal && !IsDumbTerminal(io),
                        STDERR_FILENO, style, is_quiet);
  };
}

int ImageOptions::ReportFailure(const ToolIo& io, const std::string& tool,
                                const Error& error) const {
  if (progress != ProgressStyle::kJson || quiet) return Report(io, tool, error);
  PrintJsonFailure(io.err, error);
  return ExitStatus(error);
}

}  // namespace imgmount
