// SPDX-License-Identifier: Apache-2.0
#include "tools/imginspect.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

#include "fetch/find/open_image.h"
#include "fetch/find/platforms.h"
#include "fetch/find/resolve_image.h"
#include "meta/cli/command_line.h"
#include "meta/cli/interrupt.h"
#include "meta/cli/pager.h"
#include "meta/report/inspect.h"
#include "meta/report/inspect_format.h"
#include "meta/template/go_json.h"
#include "meta/template/template.h"
#include "meta/text/printable.h"
#include "tools/image_options.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imginspect";
constexpr int kIndent = 4;

constexpr char kExamples[] = R"(
Prints a JSON array with an object per image, in the format of
`docker image inspect`. Reads manifest and config only, from the cache or the
registry; no layer is downloaded for it. Size counts the bytes of files, and of
what symlinks point to, once the layers have been pulled, else the compressed
layers.

Examples:
  imginspect nginx
  imginspect nginx:1.25 alpine           several
  imginspect --platform linux/arm64 nginx
  imginspect nginx | jq -r '.[0].Config.Env[]'
  imginspect --format json nginx         on one line
  imginspect --format '{{.Config.Cmd}}' nginx
  imginspect -f '{{range .Config.Env}}{{println .}}{{end}}' nginx
  imginspect --raw config nginx          the document itself
  imginspect --platforms nginx           what it can be pulled for

A template sees what Docker's does; one that fails there is tried on the JSON.
What is wrong with a template ends with 64, be it that it cannot be read or that
it asks for what is not there: Docker ends with 1 then, which here says that
there is no such image.

Environment:
  IMGMOUNT_PAGER  what shows long output on a terminal; else PAGER, else less

Exit status: 0 success; 1 no such image (the others are printed); 2 disk or
permissions; 3 network or registry unavailable; 4 login refused; 5 wrong bytes;
6 unsupported; 64 usage; 130 interrupted.)";

struct Arguments {
  ImageOptions image_options;
  std::vector<std::string> images;
  std::string format;
  std::string raw;
  std::string id = "config";
  bool platforms = false;
  bool pager = true;
};

void Declare(CLI::App& app, Arguments& args) {
  app.footer(kExamples);
  app.add_option("IMAGE", args.images, "An image name, or oci:DIR[:REF]")
      ->required()
      ->type_name("");
  auto* format = app.add_option("-f,--format", args.format,
                                "json: all on one line; else a Go template "
                                "for each image, with Docker's functions");
  format->type_name("FORMAT");
  app.add_option("--raw", args.raw,
                 "Print the manifest, the config or the index as it was "
                 "published")
      ->check(CLI::IsMember({"manifest", "config", "index"}))
      ->excludes(format)
      ->type_name("WHAT");
  app.add_flag("--platforms", args.platforms,
               "List the platforms that the image is for, a line each")
      ->excludes(format);
  app.add_option("--id", args.id,
                 "What Id is: the config's digest, or (as in Docker's "
                 "containerd store) that of the manifest or index")
      ->check(CLI::IsMember({"config", "manifest"}))
      ->type_name("WHICH")
      ->capture_default_str();
  AddPagerOption(app, args.pager);
  args.image_options.AddTo(app);
}

// Collects what there is to print, image by image, and prints it at the end,
// as Docker does.
class Output {
 public:
  explicit Output(std::string_view format) : format_(format) {}

  // Parses the template; kUsage for one that makes no sense.
  Status Prepare() {
    if (IsJson()) return {};
    IMGMOUNT_TRY(template_, Template::Parse(format_));
    return {};
  }

  void AddText(std::string_view text) { text_ += text; }

  Status Add(nlohmann::ordered_json image) {
    if (!template_) {
      images_.push_back(std::move(image));
      return {};
    }
    IMGMOUNT_TRY(const std::string line, FormatInspected(*template_, image));
    text_ += line + '\n';
    return {};
  }

  std::string Text() const {
    if (!text_.empty()) return text_;
    if (template_) return "\n";
    return GoJson(images_, format_ == "json" ? kOneLine : kIndent,
                  /*escape_html=*/false) +
           '\n';
  }

 private:
  bool IsJson() const { return format_.empty() || format_ == "json"; }

  const std::string format_;
  std::optional<Template> template_;
  nlohmann::ordered_json images_ = nlohmann::ordered_json::array();
  std::string text_;
};

Status Inspect(const std::string& image, const Arguments& args,
               const FetchConfig& config, Output& output) {
  IMGMOUNT_TRY(NamedImage named, OpenImage(image, config));
  if (args.platforms) {
    IMGMOUNT_TRY(const auto platforms, PlatformsOf(named));
    for (const Platform& each : platforms) output.AddText(each.Text() + '\n');
    return {};
  }
  IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(named));
  if (args.raw == "index") {
    if (!resolved.image.index_digest) {
      return Fail(ErrorCode::kNotFound,
                  image + ": is published without an index");
    }
    IMGMOUNT_TRY(
        const std::string index,
        named.cache.ReadBlob(*resolved.image.index_digest, kMaxManifestBytes));
    output.AddText(index);
    return {};
  }
  if (!args.raw.empty()) {
    output.AddText(args.raw == "manifest" ? resolved.image.manifest_json
                                          : resolved.image.config.json);
    return {};
  }
  const IdKind id = args.id == "config" ? IdKind::kConfig : IdKind::kManifest;
  IMGMOUNT_TRY(auto inspected,
               InspectImage(resolved.image, named.reference, named.cache, id));
  return output.Add(std::move(inspected));
}

int Run(const Arguments& args, const ToolIo& io) {
  Output output(args.format);
  if (auto prepared = output.Prepare(); !prepared) {
    return Report(io, kTool, prepared.error());
  }
  const InterruptScope interrupt;
  const auto config = args.image_options.Config(io, interrupt.flag());
  if (!config) return Report(io, kTool, config.error());
  int status = 0;
  for (const std::string& image : args.images) {
    const auto inspected = Inspect(image, args, *config, output);
    if (inspected) continue;
    const int failed =
        args.image_options.ReportFailure(io, kTool, inspected.error());
    if (status == 0) status = failed;
    if (inspected.error().code() == ErrorCode::kCancelled) break;
  }
  const std::string text = output.Text();
  PagedOutput paged(io, args.pager);
  paged.io().out << (io.out_is_terminal ? PrintableLines(text) : text);
  const Status written = paged.Finish();
  return written ? status : Report(io, kTool, written.error());
}

}  // namespace

int ImginspectMain(std::vector<std::string> args, const ToolIo& io) {
  CLI::App app("Show all there is to know about images, as JSON.", kTool);
  Arguments arguments;
  Declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }
  return Run(arguments, io);
}

}  // namespace imgmount
