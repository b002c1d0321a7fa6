// SPDX-License-Identifier: Apache-2.0
#include "tools/imgpull.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "fetch/find/explain.h"
#include "fetch/find/open_image.h"
#include "fetch/find/platforms.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "fetch/progress/json_progress.h"
#include "fetch/progress/pull_progress.h"
#include "meta/cli/command_line.h"
#include "meta/cli/interrupt.h"
#include "meta/cli/terminal.h"
#include "tools/image_options.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgpull";

constexpr char kExamples[] = R"(
Examples:
  imgpull nginx                          the latest nginx of Docker Hub
  imgpull nginx:1.25 alpine              several, one after the other
  imgpull --platform linux/arm64 nginx   another machine's
  imgpull --platform all nginx           all that there are
  imgpull localhost:5000/app@sha256:...  exactly this one
  imgpull oci:layout:v1                  index an image layout on disk

Logins are those of `docker login`. What is in the cache already is not
downloaded again; an interrupted pull goes on where it stopped.

Exit status: 0 success; 1 no such image; 2 disk or permissions; 3 network or
registry unavailable; 4 login refused; 5 wrong bytes; 6 unsupported; 64 usage;
130 interrupted.)";

Status Pull(const std::string& text, const FetchConfig& config,
            const ImageOptions& options, const ToolIo& io) {
  IMGMOUNT_TRY(NamedImage image, OpenImage(text, config));
  const auto progress =
      MakeProgress(io.out, io.out_is_terminal && !IsDumbTerminal(io),
                   STDOUT_FILENO, options.progress, options.quiet);
  image.source->Listen(progress.get());
  if (image.reference) progress->Start(text);
  IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(image));
  if (image.reference) progress->Found(*image.reference);
  IMGMOUNT_CHECK(PullImage(image, resolved, *progress));
  const Digest& published = resolved.published.digest;
  progress->Finish(published, image.familiar);
  progress->ShowName(image.name, published);
  return {};
}

// Each platform that the image is for.
Status PullAllPlatforms(const std::string& text, FetchConfig config,
                        const ImageOptions& options, const ToolIo& io) {
  IMGMOUNT_TRY(NamedImage named, OpenImage(text, config));
  IMGMOUNT_TRY(const auto platforms, PlatformsOf(named));
  return ForEach(
      platforms,
      [&](const Platform& platform) -> Status {
        // The index's own spelling may be another.
        IMGMOUNT_TRY(config.platform, Platform::Parse(platform.Text()));
        auto pulled = Pull(text, config, options, io);
        if (pulled) return pulled;
        return Failure(std::move(pulled).error().In(platform.Text()));
      },
      io, kTool);
}

Status Explain(const std::string& text, const FetchConfig& config,
               const ToolIo& io) {
  IMGMOUNT_TRY(const std::string lines, ExplainImage(text, config));
  io.out << lines;
  return {};
}

}  // namespace

int ImgpullMain(std::vector<std::string> args, const ToolIo& io) {
  CLI::App app("Download container images into the cache of imgmount.", kTool);
  app.footer(kExamples);
  ImageOptions options{.pull = PullPolicy::kAlways};
  std::vector<std::string> images;
  bool explain = false;
  app.add_option("IMAGE", images, "An image name, or oci:DIR[:REF]")
      ->required()
      ->type_name("");
  options.AddTo(app);
  app.add_flag("--explain", explain,
               "Print where each IMAGE would come from, with which login and "
               "certificates, and why; fetch nothing");
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }

  const InterruptScope interrupt;
  const bool all_platforms = options.platform == "all";
  if (all_platforms) options.platform.clear();
  const auto config = options.Config(io, interrupt.flag());
  if (!config) return Report(io, kTool, config.error());
  int status = 0;
  for (const std::string& image : images) {
    const Status pulled = explain ? Explain(image, *config, io)
                          : all_platforms
                              ? PullAllPlatforms(image, *config, options, io)
                              : Pull(image, *config, options, io);
    if (pulled) continue;
    if (options.progress == ProgressStyle::kJson && !options.quiet) {
      PrintJsonFailure(io.out, pulled.error());
    }
    const int failed = Report(io, kTool, pulled.error());
    if (status == 0) status = failed;
    if (pulled.error().code() == ErrorCode::kCancelled) break;
  }
  return status;
}

}  // namespace imgmount
