// SPDX-License-Identifier: Apache-2.0
#include "tools/imghistory.h"

#include <CLI/CLI.hpp>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "fetch/find/open_image.h"
#include "fetch/find/resolve_image.h"
#include "meta/cli/command_line.h"
#include "meta/cli/interrupt.h"
#include "meta/cli/pager.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/path_history.h"
#include "meta/report/history.h"
#include "meta/report/row_format.h"
#include "meta/store/cached_layers.h"
#include "meta/text/printable.h"
#include "tools/image_options.h"
#include "tools/local_image.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imghistory";

constexpr char kExamples[] = R"(
Shows how the image was built, newest step first, in the format of
`docker history`. Reads manifest and config only, from the cache or the
registry; no layer is downloaded for it. SIZE counts what a step added: the
bytes of files, and of what symlinks point to. Of a layer that was never pulled
only its compressed size is known, and marked: ~28.1MB.

With --path, what the layers did to one path: A it came, C it was replaced, D it
was deleted. The layers are pulled for that. A pattern finds paths in all
layers, also those that are deleted further up, a line for each layer that did
something: one without a slash is for names, one with a slash for whole paths,
where * matches slashes too.

Templates have the fields .ID .CreatedSince .CreatedAt .CreatedBy .Size .Comment
.Layer (its digest) and .Compressed (its size as published), and Docker's
functions.

What is wrong with one ends with 64 (with 1 in Docker, which here says that
there is no such image).

Examples:
  imghistory nginx
  imghistory --no-trunc nginx:1.25       whole commands and IDs
  imghistory --human=false nginx         exact sizes and times
  imghistory --layers nginx              and each layer's digest
  imghistory --format json nginx         an object per line
  imghistory --format 'table {{.ID}}\t{{.Size}}' nginx
  imghistory -q oci:layout:v1            IDs only
  imghistory --path /etc/passwd nginx    who put it there
  imghistory --path '*.conf' nginx       where such files are, or were

Environment:
  IMGMOUNT_PAGER  what shows long output on a terminal; else PAGER, else less

Exit status: 0 success; 1 no such image; 2 disk or permissions; 3 network or
registry unavailable; 4 login refused; 5 wrong bytes; 6 unsupported; 64 usage;
130 interrupted.)";

struct Arguments {
  ImageOptions image_options;
  std::string image;
  bool no_trunc = false;
  bool human = true;
  bool layers = false;
  std::string format = "table";
  std::optional<std::string> path;
  bool pager = true;
};

void Declare(CLI::App& app, Arguments& args) {
  app.footer(kExamples);
  app.add_option("IMAGE", args.image, "An image name, or oci:DIR[:REF]")
      ->required()
      ->type_name("");
  app.add_flag("--no-trunc", args.no_trunc, "Do not cut IDs and commands");
  app.add_flag("-H,--human", args.human,
               "Rounded sizes and ages; --human=false for exact ones")
      ->default_str("true");
  app.add_flag("--layers", args.layers,
               "Two more columns: the layer's digest and its compressed size; "
               "also layers that no step tells of");
  app.add_option("--format", args.format,
                 "table, json, or a Go template for each row; \"table "
                 "TEMPLATE\" aligns it below headers")
      ->type_name("FORMAT");
  app.add_option("--path", args.path,
                 "Tell which layers put PATH there, replaced or deleted it; "
                 "with *, ? or [ in it, of all paths that match")
      ->type_name("PATH");
  AddPagerOption(app, args.pager);
  args.image_options.AddTo(app);
  app.get_option("--quiet")->description("Only show image IDs");
}

// The format that "table" stands for, as in Docker.
std::string TableFormat(const Arguments& args) {
  if (args.image_options.quiet) return "{{.ID}}";
  return std::string("table {{.ID}}\t") +
         (args.human ? "{{.CreatedSince}}" : "{{.CreatedAt}}") +
         "\t{{.CreatedBy}}\t{{.Size}}\t" +
         (args.layers ? "{{.Layer}}\t{{.Compressed}}\t" : "") + "{{.Comment}}";
}

Result<std::string> PathHistory(const Arguments& args,
                                const FetchConfig& config, const ToolIo& io) {
  IMGMOUNT_TRY(const LocalImage local,
               OpenLocalImage({args.image, {}}, config,
                              args.image_options.Progress(io)));
  LayerStates states(*local.layers, local.layer_count,
                     ScratchFolder(local.cache));
  const bool is_glob = IsGlob(*args.path);
  IMGMOUNT_TRY(const auto events, is_glob ? HistoryOfMatches(states, *args.path)
                                          : HistoryOfPath(states, *args.path));
  if (events.empty()) {
    return Fail(ErrorCode::kNotFound,
                *args.path + ": no layer of " + args.image + " has it");
  }
  if (is_glob) return MatchesText(events);
  return PathHistoryText(events, LayersOf(local.image));
}

Result<std::string> Run(const Arguments& args, const ToolIo& io) {
  const InterruptScope interrupt;
  IMGMOUNT_TRY(const FetchConfig config,
               args.image_options.Config(io, interrupt.flag()));
  if (args.path) return PathHistory(args, config, io);
  IMGMOUNT_TRY(NamedImage named, OpenImage(args.image, config));
  IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(named));
  const HistoryFormat format{.truncate = !args.no_trunc,
                             .human = args.human,
                             .now = std::time(nullptr)};
  std::vector<nlohmann::ordered_json> fields;
  for (const HistoryRow& row :
       HistoryOf(resolved.image, named.cache, args.layers)) {
    fields.push_back(HistoryFields(row, resolved.image, format));
  }
  std::vector<nlohmann::ordered_json> data = fields;
  std::vector<FormatRow> rows;
  for (size_t i = 0; i < data.size(); ++i) {
    if (!args.layers) {
      data[i].erase("Layer");
      data[i].erase("Compressed");
    }
    rows.push_back({&data[i], &fields[i]});
  }
  const bool is_table = args.format.empty() || args.format == "table";
  return FormatRows(is_table ? TableFormat(args) : args.format,
                    HistoryHeaders(), rows);
}

}  // namespace

int ImghistoryMain(std::vector<std::string> args, const ToolIo& io) {
  CLI::App app("Show the history of an image: its build steps and layers.",
               kTool);
  Arguments arguments;
  Declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }
  const auto text = Run(arguments, io);
  if (!text) {
    return arguments.image_options.ReportFailure(io, kTool, text.error());
  }
  PagedOutput paged(io, arguments.pager);
  paged.io().out << (io.out_is_terminal ? PrintableLines(*text) : *text);
  const Status written = paged.Finish();
  return written ? 0 : Report(io, kTool, written.error());
}

}  // namespace imgmount
