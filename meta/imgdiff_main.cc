#include "meta/imgdiff_main.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "fetch/image_finder.h"
#include "fetch/interrupt.h"
#include "fetch/pull_missing.h"
#include "fs/tree_reader.h"
#include "meta/cli/command_line.h"
#include "meta/diff/change_report.h"
#include "meta/diff/host_tree.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/layer_states.h"
#include "meta/diff/printable.h"
#include "meta/diff/tree_diff.h"
#include "meta/diff/union_side.h"
#include "meta/image/layer_suffix.h"
#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"

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
what layer N did.

Examples:
  imgdiff nginx                          layer by layer
  imgdiff nginx@3                        what layer 3 did
  imgdiff nginx:1.24 nginx:1.25          one tag against another
  imgdiff nginx@0 nginx                  all that was put on the base layer
  imgdiff --ignore mtime --blame a b     and which layers are responsible
  imgdiff --exclude '*.pyc' -x /var/log a b
  imgdiff app:latest ./rootfs            an image against a directory
  imgdiff --json a b | jq -r '.[] | select(.kind == "A") | .path'

Exit status, as of diff(1): 0 no differences, 1 differences, 2 trouble. With
one IMAGE 0 or 2.
)";

struct Arguments {
  ImageOptions image_options;
  std::vector<std::string> operands;
  bool json = false;
  TextStyle style;
  std::vector<std::string> exclude;
  std::vector<std::string> ignore;
};

class HelpFormat : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* /*app*/,
                         std::string /*name*/) const override {
    return "Usage: imgdiff [OPTIONS] A B\n"
           "       imgdiff [OPTIONS] IMAGE[@N]\n";
  }
};

void Declare(CLI::App& app, Arguments& args) {
  app.formatter(std::make_shared<HelpFormat>());
  app.footer(kFooter);
  app.add_option("OPERAND", args.operands, "What to compare")
      ->expected(1, 2)
      ->required()
      ->type_name("");
  app.add_flag("--what", args.style.what,
               "Tell in which respects a path changed: content, mode, owner, "
               "mtime, xattr, type, target");
  app.add_flag("--blame", args.style.blame,
               "Below each path, the layer and the line of the history that "
               "is responsible, of A (<) and of B (>)");
  app.add_flag("--json", args.json, "All there is to tell, as a JSON array");
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

// An image with its layers in the cache, kept there while this lives.
struct LocalImage {
  NamedImage named;
  Image image;
  UseLock in_use;
  size_t layer_count;  // as of the layer that was asked for
  std::optional<size_t> only;
  std::vector<LayerInfo> layers;

  Result<OpenedLayer> Open(LayerPosition position) const {
    if (position >= layers.size()) {
      return Fail(ErrorCode::kCorrupt, "the image has no such layer");
    }
    return OpenLayer(named.cache, image.manifest.layers[position],
                     image.config.diff_ids[position]);
  }
  LayerStates States() const {
    return LayerStates(
        layer_count,
        [this](size_t layer) {
          return LoadIndex(named.cache, image.manifest.layers[layer],
                           image.config.diff_ids[layer]);
        },
        named.cache.TreePath("x").parent_path());
  }
};

Result<std::unique_ptr<LocalImage>> OpenLocal(const std::string& operand,
                                              const Arguments& args,
                                              const ToolIo& io) {
  const InterruptScope interrupt;
  ImageOptions options = args.image_options;
  options.cancel = &interrupt.flag();
  IMGMOUNT_TRY(const LayerSuffix suffix, ParseLayerSuffix(operand));
  IMGMOUNT_TRY(NamedImage named, OpenImage(suffix.image, options, io));
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolve(named));
  IMGMOUNT_TRY(const size_t layer_count,
               LayersAsOf(suffix, resolved.image.manifest.layers.size()));
  IMGMOUNT_TRY(UseLock in_use, UseLock::Hold(named.cache, resolved.image));
  IMGMOUNT_CHECK(PullMissing(named, resolved, suffix.image, options, io));
  auto layers = LayersOf(resolved.image);
  return std::make_unique<LocalImage>(
      LocalImage{std::move(named), std::move(resolved.image), std::move(in_use),
                 layer_count, suffix.layer, std::move(layers)});
}

// A tree of an image, ready to be compared and read.
class ImageSide {
 public:
  // Both outlive the side.
  ImageSide(const LocalImage& image, const UnionTree& tree)
      : reader_(TreeReader::Make(
            tree,
            [&image](LayerPosition position) { return image.Open(position); })),
        side_(MakeUnionSide(tree, image.image.config.diff_ids,
                            [reader = reader_.get()](Ino ino, uint64_t offset,
                                                     std::span<std::byte> out) {
                              return reader->Read(ino, offset, out);
                            })) {}

  DiffTree& tree() { return *side_; }

 private:
  std::unique_ptr<TreeReader> reader_;
  std::unique_ptr<DiffTree> side_;
};

// One of two operands. What it needs lives in it.
struct Operand {
  std::unique_ptr<LocalImage> image;
  std::unique_ptr<UnionTree> union_tree;
  std::unique_ptr<ImageSide> side;
  std::unique_ptr<DiffTree> directory;

  DiffTree& tree() { return side ? side->tree() : *directory; }
  std::vector<LayerInfo> layers() const {
    return image ? image->layers : std::vector<LayerInfo>();
  }
};

bool NamesDirectory(const std::string& operand) {
  std::error_code ignored;
  return operand.starts_with('/') || operand.starts_with('.') ||
         std::filesystem::is_directory(operand, ignored);
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
  IMGMOUNT_TRY(operand.union_tree,
               OpenTree(image.named.cache, image.image, image.layer_count));
  operand.side = std::make_unique<ImageSide>(image, *operand.union_tree);
  return operand;
}

Result<int> CompareTwo(const Arguments& args, const DiffOptions& options,
                       const ToolIo& io) {
  IMGMOUNT_TRY(Operand a, OpenOperand(args.operands[0], args, io));
  IMGMOUNT_TRY(Operand b, OpenOperand(args.operands[1], args, io));
  IMGMOUNT_TRY(const ChangeList list, DiffTrees(a.tree(), b.tree(), options));
  Comparison comparison{a.tree(), b.tree(), list, a.layers(), b.layers(), {}};
  std::optional<LayerStates> states;
  if (const size_t shared =
          SharedLayers(comparison.layers_a, comparison.layers_b);
      shared > 0) {
    states.emplace(b.image->States());
    comparison.who_deleted = [&, shared](std::string_view path) {
      return states->WhoDeleted(path, shared);
    };
  }
  if (args.json) {
    IMGMOUNT_CHECK(WriteJson(comparison, io.out));
    io.out << '\n';
  } else {
    IMGMOUNT_CHECK(WriteText(comparison, args.style, io.out));
  }
  return list.changes.empty() ? kSame : kDifferent;
}

// What one layer did to the ones below it.
Status WriteLayer(const LocalImage& image, LayerStates& states, size_t layer,
                  const Arguments& args, const DiffOptions& options,
                  const ToolIo& io) {
  const auto nothing = MakeEmptyTree();
  std::optional<ImageSide> below;
  if (layer > 0) {
    IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer));
    below.emplace(image, *tree);
  }
  IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer + 1));
  ImageSide above(image, *tree);
  DiffTree& a = below ? below->tree() : *nothing;
  IMGMOUNT_TRY(const ChangeList list, DiffTrees(a, above.tree(), options));
  const Comparison comparison{
      a,
      above.tree(),
      list,
      image.layers,
      image.layers,
      [layer](std::string_view) -> Result<std::optional<LayerPosition>> {
        return static_cast<LayerPosition>(layer);
      }};
  const LayerInfo& info = image.layers[layer];
  if (!args.json) {
    io.out << "layer " << layer << ' ' << info.digest.text() << ' '
           << Printable(info.created_by) << '\n';
    return WriteText(comparison, args.style, io.out);
  }
  std::string head = LayerToJson(info).dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  head.pop_back();
  io.out << head << ",\"changes\":";
  IMGMOUNT_CHECK(WriteJson(comparison, io.out));
  io.out << '}';
  return {};
}

Result<int> ShowLayers(const Arguments& args, const DiffOptions& options,
                       const ToolIo& io) {
  IMGMOUNT_TRY(const auto image, OpenLocal(args.operands[0], args, io));
  LayerStates states = image->States();
  const size_t first = image->only.value_or(0);
  if (args.json) io.out << "[\n";
  for (size_t layer = first; layer < image->layer_count; ++layer) {
    if (layer > first) io.out << (args.json ? ",\n" : "\n");
    IMGMOUNT_CHECK(WriteLayer(*image, states, layer, args, options, io));
    states.Drop(layer);
  }
  if (args.json) io.out << "\n]\n";
  return kSame;
}

Result<int> Run(const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(const DiffOptions options, DiffOptionsOf(args));
  IMGMOUNT_TRY(const int status, args.operands.size() == 1
                                     ? ShowLayers(args, options, io)
                                     : CompareTwo(args, options, io));
  if (!io.out.flush()) {
    return Fail(ErrorCode::kIo, "cannot write the differences");
  }
  return status;
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
  arguments.style.colour = io.out_is_terminal && !io.env("NO_COLOR");
  const auto status = Run(arguments, io);
  if (status) return *status;
  const int reported = Report(io, kTool, status.error());
  return status.error().code() == ErrorCode::kCancelled ? reported : kTrouble;
}

}  // namespace imgmount
