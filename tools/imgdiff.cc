// SPDX-License-Identifier: Apache-2.0
#include "tools/imgdiff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <utility>

#include "meta/base/file.h"
#include "meta/changes/change_report.h"
#include "meta/changes/change_stat.h"
#include "meta/changes/efficiency.h"
#include "meta/changes/git_patch.h"
#include "meta/changes/html_report.h"
#include "meta/cli/command_line.h"
#include "meta/cli/help_format.h"
#include "meta/cli/interrupt.h"
#include "meta/cli/pager.h"
#include "meta/cli/terminal.h"
#include "meta/diff/host_tree.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/layer_states.h"
#include "meta/diff/tree_diff.h"
#include "meta/image/layer_suffix.h"
#include "meta/packages/installed_packages.h"
#include "meta/packages/package_diff.h"
#include "meta/report/columns.h"
#include "meta/store/cached_layers.h"
#include "meta/text/printable.h"
#include "meta/text/quantities.h"
#include "tools/image_options.h"
#include "tools/image_side.h"
#include "tools/local_image.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgdiff";
constexpr int kSame = 0;
constexpr int kDifferent = 1;
constexpr int kTrouble = 2;

constexpr char kFooter[] = R"(
A and B are images (nginx:1.24, oci:DIR[:REF]), images as of one of their
layers (nginx@2; layer 0 is the bottom one), or directories: an operand that
starts with / or . or names a directory is one. Images that are not in the
cache are pulled first.

Each line is a path behind A (added), C (changed) or D (deleted), sorted by
path. A path is changed when its content, mode, owner, mtime, xattrs, type or
link target is another; --ignore takes what does not matter. Contents are
compared byte by byte, but files that come from the same layer are not read.

With one IMAGE, what each of its layers did to those below it; with IMAGE@N,
what layer N did. --stat then begins with how many bytes of each layer nobody
sees, because layers further up replace or delete them, and which do; dive's
efficiency score, which leaves deleted directories out, stands at the end.

--content shows files and symlinks as git knows them, for people and for
`patch -p1`; of files that are no text it says that they differ. With --binary
`git apply` makes the one tree of the other, unless a file of more than 64 MiB
that is no text has changed (git apply --exclude). --packages reads the
databases of dpkg, apk and rpm (rpmdb.sqlite), and each line is a package behind
A, C or D.

Examples:
  imgdiff nginx                          layer by layer
  imgdiff nginx@3                        what layer 3 did
  imgdiff nginx:1.24 nginx:1.25          one tag against another
  imgdiff nginx@0 nginx                  all that was put on the base layer
  imgdiff --ignore mtime --blame a b     and which layers are responsible
  imgdiff --exclude '*.pyc' -x /var/log a b
  imgdiff --packages debian:11 debian:12 which packages came, went, changed
  imgdiff --content app:1 app:2          as a patch
  imgdiff --binary a b > b.patch         as a patch for git apply
  imgdiff --stat nginx                   where the bytes are, and the waste
  imgdiff --html nginx.html nginx        the same to look around in
  imgdiff app:latest ./rootfs            an image against a directory
  imgdiff --json a b | jq -r '.[] | select(.kind == "A") | .path'

Environment:
  NO_COLOR        with any value, output on a terminal is not coloured
  IMGMOUNT_PAGER  what shows long output on a terminal; else PAGER, else less

Exit status: 0 no differences, 1 differences, 2 trouble, as of diff(1). With
one IMAGE 0 or 2.
)";

struct Arguments {
  ImageOptions image_options;
  std::vector<std::string> operands;
  bool json = false;
  bool stat = false;
  bool content = false;
  bool packages = false;
  std::string html;
  TextStyle style;
  std::string colour;
  bool pager = true;
  std::vector<std::string> exclude;
  std::vector<std::string> ignore;
};

constexpr char kUsage[] =
    "Usage: imgdiff [OPTIONS] A B\n"
    "       imgdiff [OPTIONS] IMAGE[@N]\n";

void Declare(CLI::App& app, Arguments& args) {
  app.formatter(std::make_shared<HelpFormat>(kUsage));
  app.footer(kFooter);
  app.add_option("A", args.operands, "An image, IMAGE@N or a directory")
      ->expected(1, 2)
      ->required()
      ->type_name("");
  app.add_flag("--what", args.style.what,
               "Tell in which respects a path changed: content, mode, owner, "
               "mtime, xattr, type, target");
  const auto blame = app.add_flag(
      "--blame", args.style.blame,
      "Below each path, the layer and the line of the history that "
      "is responsible, of A (<) and of B (>)");
  const auto stat =
      app.add_flag("--stat", args.stat,
                   "Bytes that the image carries and never shows; paths and "
                   "bytes that changed, by directory and by layer")
          ->excludes(blame);
  const auto content =
      app.add_flag("--content", args.content,
                   "The lines of text files that changed, as git diff shows "
                   "them")
          ->excludes(stat);
  const auto binary =
      app.add_flag("--binary", args.style.binary,
                   "As --content, with the bytes of files that are no text, "
                   "for git apply")
          ->excludes(stat);
  const auto packages =
      app.add_flag("--packages", args.packages,
                   "Which packages came, went or changed their version")
          ->excludes(blame)
          ->excludes(stat)
          ->excludes(content)
          ->excludes(binary);
  const auto json =
      app.add_flag("--json", args.json, "All there is to tell, as JSON")
          ->excludes(content)
          ->excludes(binary);
  app.add_option("--html", args.html,
                 "Write a page for a browser: where the bytes are, what is "
                 "wasted, and the changes as a tree")
      ->type_name("FILE")
      ->excludes(stat)
      ->excludes(content)
      ->excludes(binary)
      ->excludes(packages)
      ->excludes(json);
  app.add_option("-x,--exclude", args.exclude,
                 "Leave out what matches, with all below it: a name, or with "
                 "a slash a whole path, where * matches slashes too; may be "
                 "repeated")
      ->allow_extra_args(false)
      ->type_name("GLOB");
  app.add_option("--ignore", args.ignore,
                 "Respects that do not count, comma-separated: mtime,owner,...")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("WHAT,...");
  AddColourOption(app, args.colour);
  AddPagerOption(app, args.pager);
  args.image_options.AddTo(app);
}

Result<DiffOptions> DiffOptionsOf(const Arguments& args) {
  DiffOptions options;
  options.exclude = PathFilter(args.exclude);
  for (const std::string& name : args.ignore) {
    const auto what = WhatNamed(name);
    if (!what) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("--ignore {}: no such respect; there are {}",
                              name, fmt::join(WhatNames(WhatSet{0x7f}), ", ")));
    }
    options.ignore |= *what;
  }
  return options;
}

Result<LocalImage> OpenLocal(const std::string& operand, const Arguments& args,
                             const ToolIo& io) {
  const InterruptScope interrupt;
  IMGMOUNT_TRY(const FetchConfig config,
               args.image_options.Config(io, interrupt.flag()));
  IMGMOUNT_TRY(const LayerSuffix name, ParseLayerSuffix(operand));
  return OpenLocalImage(name, config, args.image_options.Progress(io));
}

// The image as of each of its layers.
LayerStates StatesOf(const LocalImage& image) {
  return LayerStates(*image.layers, image.layer_count,
                     ScratchFolder(image.cache));
}

// One of two operands. What it needs lives in it.
struct Operand {
  std::optional<LocalImage> image;
  std::unique_ptr<UnionTree> union_tree;
  std::unique_ptr<ImageSide> side;
  std::unique_ptr<DiffTree> directory;

  DiffTree& tree() { return side ? side->tree() : *directory; }
  std::vector<LayerInfo> layers() const {
    return image ? LayersOf(image->image) : std::vector<LayerInfo>();
  }
};

bool IsPath(const std::string& operand) {
  return operand.starts_with('/') || operand.starts_with('.');
}

bool NamesDirectory(const std::string& operand) {
  std::error_code ignored;
  return IsPath(operand) || std::filesystem::is_directory(operand, ignored);
}

Result<Operand> OpenOperand(const std::string& text, const Arguments& args,
                            const ToolIo& io) {
  Operand operand;
  if (NamesDirectory(text)) {
    IMGMOUNT_TRY(operand.directory, OpenHostTree(text));
    return operand;
  }
  IMGMOUNT_TRY(operand.image, OpenLocal(text, args, io));
  const LocalImage& image = *operand.image;
  IMGMOUNT_TRY(operand.union_tree, image.layers->Tree(image.layer_count));
  operand.side = std::make_unique<ImageSide>(image, *operand.union_tree);
  return operand;
}

// The packages of two trees, compared.
Result<std::vector<PackageChange>> ComparePackages(DiffTree& a, DiffTree& b) {
  IMGMOUNT_TRY(const auto in_a, InstalledPackages(a));
  IMGMOUNT_TRY(const auto in_b, InstalledPackages(b));
  return DiffPackages(in_a, in_b);
}

void WritePackages(const std::vector<PackageChange>& changes,
                   const Arguments& args, std::ostream& out) {
  if (args.json) {
    WritePackagesJson(changes, out);
  } else {
    WritePackagesText(changes, args.style.colour, out);
  }
}

Status WritePage(const HtmlReport& report, const std::string& path) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::CreateOutput(path));
  IMGMOUNT_CHECK(file.Write(report.Page()));
  return file.Commit();
}

// The image's layers and what is in them for nothing.
Status DescribeLayers(const LocalImage& image, LayerStates& states,
                      HtmlReport& report) {
  IMGMOUNT_TRY(const auto bytes, MeasureLayers(states));
  IMGMOUNT_TRY(const Efficiency efficiency, MeasureEfficiency(states));
  std::vector<LayerInfo> layers = LayersOf(image.image);
  layers.erase(layers.begin() + bytes.size(), layers.end());
  report.SetLayers(std::move(layers), bytes);
  report.SetEfficiency(efficiency);
  return {};
}

// In the form that was asked for, whether of two images or of one layer.
Status WriteComparison(const Comparison& comparison, const Arguments& args,
                       std::ostream& out) {
  if (args.stat) {
    IMGMOUNT_TRY(const ChangeStat stat, CountChanges(comparison));
    if (args.json) {
      out << JsonText(StatToJson(stat, comparison));
    } else {
      WriteStatText(stat, comparison, out);
    }
    return {};
  }
  if (args.content || args.style.binary)
    return WriteGitPatch(comparison, args.style, out);
  if (args.json) return WriteJson(comparison, out);
  return WriteText(comparison, args.style, out);
}

Result<int> CompareTwo(const Arguments& args, const DiffOptions& options,
                       const ToolIo& io) {
  IMGMOUNT_TRY(Operand a, OpenOperand(args.operands[0], args, io));
  IMGMOUNT_TRY(Operand b, OpenOperand(args.operands[1], args, io));
  if (args.packages) {
    IMGMOUNT_TRY(const auto changes, ComparePackages(a.tree(), b.tree()));
    WritePackages(changes, args, io.out);
    if (args.json) io.out << '\n';
    return changes.empty() ? kSame : kDifferent;
  }
  IMGMOUNT_TRY(const ChangeList list, DiffTrees(a.tree(), b.tree(), options));
  Comparison comparison{a.tree(), b.tree(), list, a.layers(), b.layers(), {}};
  std::optional<LayerStates> states;
  if (b.image) {
    states.emplace(StatesOf(*b.image));
    comparison.who_deleted =
        [&, shared = SharedLayers(comparison.layers_a, comparison.layers_b)](
            std::string_view path) { return states->WhoDeleted(path, shared); };
  }
  if (!args.html.empty()) {
    HtmlReport report(args.operands[0] + " \u2192 " + args.operands[1]);
    if (b.image) IMGMOUNT_CHECK(DescribeLayers(*b.image, *states, report));
    IMGMOUNT_CHECK(report.SetTree(b.tree()));
    IMGMOUNT_CHECK(report.AddSection("all changes", comparison));
    IMGMOUNT_CHECK(WritePage(report, args.html));
    return list.changes.empty() ? kSame : kDifferent;
  }
  IMGMOUNT_CHECK(WriteComparison(comparison, args, io.out));
  if (args.json) io.out << '\n';
  return list.changes.empty() ? kSame : kDifferent;
}

// Writes what a layer did to those below it; into the page if there is one.
Status WriteLayer(const LocalImage& image, LayerStates& states, size_t layer,
                  const Arguments& args, const DiffOptions& options,
                  HtmlReport* page, const ToolIo& io) {
  const auto nothing = MakeEmptyTree();
  std::optional<ImageSide> below;
  if (layer > 0) {
    IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer));
    below.emplace(image, *tree);
  }
  IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer + 1));
  ImageSide above(image, *tree);
  DiffTree& a = below ? below->tree() : *nothing;
  const std::vector<LayerInfo> layers = LayersOf(image.image);
  const LayerInfo& info = layers[layer];
  if (args.json) {
    std::string head = JsonText(LayerToJson(info));
    head.pop_back();
    io.out << head << ",\""
           << (args.stat       ? "stat"
               : args.packages ? "packages"
                               : "changes")
           << "\":";
  } else if (page == nullptr) {
    io.out << "layer " << layer << ' ' << info.digest.text() << ' '
           << Printable(info.created_by) << '\n';
  }
  if (args.packages) {
    IMGMOUNT_TRY(const auto changes, ComparePackages(a, above.tree()));
    WritePackages(changes, args, io.out);
  } else {
    IMGMOUNT_TRY(const ChangeList list, DiffTrees(a, above.tree(), options));
    const Comparison comparison{
        a,
        above.tree(),
        list,
        layers,
        layers,
        [layer](std::string_view) -> Result<std::optional<LayerPosition>> {
          return static_cast<LayerPosition>(layer);
        }};
    if (page != nullptr) {
      return page->AddSection("layer " + LayerToText(info), comparison);
    }
    IMGMOUNT_CHECK(WriteComparison(comparison, args, io.out));
  }
  if (args.json) io.out << '}';
  return {};
}

// Sums over all layers.
struct Carried {
  uint64_t content = 0;
  uint64_t hidden = 0;
};
Carried SumOf(const std::vector<LayerBytes>& layers) {
  Carried sum;
  for (const LayerBytes& layer : layers) {
    sum.content += layer.content;
    sum.hidden += layer.hidden;
  }
  return sum;
}

// Writes how much the layers carry that nobody sees, and which hide it.
void WriteHidden(const LocalImage& image, const std::vector<LayerBytes>& layers,
                 const Arguments& args, std::ostream& out) {
  const Carried sum = SumOf(layers);
  if (args.json) {
    auto bytes = nlohmann::ordered_json::array();
    for (const LayerBytes& layer : layers) {
      auto by = nlohmann::ordered_json::array();
      for (const HiddenBy& step : layer.hidden_by) {
        by.push_back({{"layer", step.layer}, {"bytes", step.bytes}});
      }
      bytes.push_back({{"bytes", layer.content},
                       {"hidden_bytes", layer.hidden},
                       {"hidden_by", std::move(by)}});
    }
    out << "\"total_bytes\":" << sum.content
        << ",\n\"hidden_bytes\":" << sum.hidden
        << ",\n\"bytes\":" << JsonText(bytes) << ",\n";
    return;
  }
  constexpr size_t kTextWidth = 80 - 21;
  const std::vector<LayerInfo> infos = LayersOf(image.image);
  const auto text = [&](size_t layer, size_t width) {
    return Ellipsis(LayerToText(infos[layer]), width);
  };
  out << fmt::format(
      "{} of {} are hidden: layers further up replace or delete them\n\n"
      "{:>9} {:>9}  layer\n",
      ShortSize(sum.hidden), ShortSize(sum.content), "bytes", "hidden");
  for (size_t i = 0; i < layers.size(); ++i) {
    out << fmt::format("{:>9} {:>9}  {}\n", ShortSize(layers[i].content),
                       ShortSize(layers[i].hidden), text(i, kTextWidth));
    for (const HiddenBy& step : layers[i].hidden_by) {
      out << fmt::format("{:>19}  by {}\n", ShortSize(step.bytes),
                         text(step.layer, kTextWidth - 3));
    }
  }
}

// dive's score, for comparison.
Status WriteDivesScore(LayerStates& states, const Arguments& args,
                       std::ostream& out) {
  constexpr size_t kShown = 10;
  IMGMOUNT_TRY(const Efficiency efficiency, MeasureEfficiency(states));
  if (args.json) {
    auto wasted = nlohmann::ordered_json::array();
    for (const WastedPath& path : efficiency.wasted) {
      wasted.push_back(
          {{"path", path.path}, {"bytes", path.bytes}, {"times", path.times}});
    }
    out << "\"dive\":"
        << JsonText({{"efficiency", efficiency.score},
                     {"wasted_bytes", efficiency.wasted_bytes},
                     {"wasted", std::move(wasted)}});
    return {};
  }
  out << fmt::format(
      "\ndive's score: efficiency {:.2f} %, {} wasted in {} paths (it does not "
      "count\nthe files of directories that were deleted as a whole)\n",
      100 * efficiency.score, ShortSize(efficiency.wasted_bytes),
      efficiency.wasted.size());
  const size_t shown = std::min(kShown, efficiency.wasted.size());
  for (size_t i = 0; i < shown; ++i) {
    const WastedPath& path = efficiency.wasted[i];
    out << fmt::format("{:>9} in {} layers  {}\n", ShortSize(path.bytes),
                       path.times, Printable(path.path));
  }
  return {};
}

// With --stat: what is hidden, then what each layer did, then dive's score.
Status WriteStatistics(const LocalImage& image, LayerStates& states,
                       const Arguments& args, const DiffOptions& options,
                       const ToolIo& io) {
  HiddenMeter meter;
  std::ostringstream layers;
  const ToolIo kept{.out = layers, .err = io.err, .env = io.env};
  const size_t first = image.layer.value_or(0);
  for (size_t layer = 0; layer < image.layer_count; ++layer) {
    IMGMOUNT_CHECK(meter.Add(states));
    if (layer >= first) {
      if (layer > first) layers << (args.json ? ",\n" : "\n");
      IMGMOUNT_CHECK(
          WriteLayer(image, states, layer, args, options, nullptr, kept));
    }
    states.Drop(layer);
  }
  if (args.json) io.out << "{";
  WriteHidden(image, meter.layers(), args, io.out);
  io.out << (args.json ? "\"layers\":[\n" : "\n") << layers.str()
         << (args.json ? "\n],\n" : "");
  IMGMOUNT_CHECK(WriteDivesScore(states, args, io.out));
  if (args.json) io.out << "}\n";
  return {};
}

Result<int> ShowLayers(const Arguments& args, const DiffOptions& options,
                       const ToolIo& io) {
  if (IsPath(args.operands[0])) {
    return Fail(ErrorCode::kUsage,
                args.operands[0] +
                    ": a directory has no layers; compare it with an image or "
                    "another directory");
  }
  IMGMOUNT_TRY(const LocalImage image, OpenLocal(args.operands[0], args, io));
  LayerStates states = StatesOf(image);
  const size_t first = image.layer.value_or(0);
  if (!args.html.empty()) {
    HtmlReport report(args.operands[0]);
    for (size_t layer = first; layer < image.layer_count; ++layer) {
      IMGMOUNT_CHECK(
          WriteLayer(image, states, layer, args, options, &report, io));
      states.Drop(layer);
    }
    IMGMOUNT_CHECK(DescribeLayers(image, states, report));
    IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(image.layer_count));
    ImageSide all(image, *tree);
    IMGMOUNT_CHECK(report.SetTree(all.tree()));
    IMGMOUNT_CHECK(WritePage(report, args.html));
    return kSame;
  }
  if (args.stat) {
    IMGMOUNT_CHECK(WriteStatistics(image, states, args, options, io));
    return kSame;
  }
  if (args.json) io.out << "[\n";
  for (size_t layer = first; io.out && layer < image.layer_count; ++layer) {
    if (layer > first) io.out << (args.json ? ",\n" : "\n");
    IMGMOUNT_CHECK(
        WriteLayer(image, states, layer, args, options, nullptr, io));
    states.Drop(layer);
  }
  if (args.json) io.out << "\n]\n";
  return kSame;
}

Result<int> Run(const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(const DiffOptions options, DiffOptionsOf(args));
  return args.operands.size() == 1 ? ShowLayers(args, options, io)
                                   : CompareTwo(args, options, io);
}

}  // namespace

int ImgdiffMain(std::vector<std::string> args, const ToolIo& io) {
  CLI::App app("Show what changed between images, or from layer to layer.",
               kTool);
  Arguments arguments;
  Declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io, kTrouble)) {
    return *done;
  }
  arguments.style.colour = UsesColour(arguments.colour, io);
  PagedOutput paged(io, arguments.pager);
  auto status = Run(arguments, paged.io());
  if (auto written = paged.Finish(); !written && status) {
    status = Failure(std::move(written).error());
  }
  if (status) return *status;
  const int reported =
      arguments.image_options.ReportFailure(io, kTool, status.error());
  return status.error().code() == ErrorCode::kCancelled ? reported : kTrouble;
}

}  // namespace imgmount
