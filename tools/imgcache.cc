// SPDX-License-Identifier: Apache-2.0
#include "tools/imgcache.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <ostream>

#include "fetch/cache/repair.h"
#include "fetch/cache/transfer.h"
#include "meta/cli/command_line.h"
#include "meta/cli/interrupt.h"
#include "meta/cli/terminal.h"
#include "meta/report/cache_listing.h"
#include "meta/report/columns.h"
#include "meta/text/printable.h"
#include "meta/text/quantities.h"
#include "meta/upkeep/evict.h"
#include "meta/upkeep/removal.h"
#include "meta/upkeep/verify.h"
#include "tools/image_options.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgcache";

constexpr char kFooter[] = R"(
What is mounted, or being pulled or compared, is never removed. Sizes are
powers of 1000 (20G, 1.5GB), or of 1024 where they say so (512MiB); ages are
like 90s, 45m, 12h, 30d, 2w. `imgcache COMMAND --help` tells the rest.

Examples:
  imgcache ls                              images, sizes, where mounted
  imgcache ls --layers                     and which layers they share
  imgcache du
  imgcache rm nginx:1.25
  imgcache evict nginx:1.25                its layers' bytes, not the image
  imgcache prune                           what no image needs
  imgcache prune --older-than 30d          and images not used for a month
  imgcache prune --max-size 20G --dry-run  what would go until 20 GB are left
  imgcache verify --repair
  imgcache export -o images.tar nginx alpine
  imgcache import images.tar

Environment:
  IMGMOUNT_CACHE           where the cache is
  IMGMOUNT_CACHE_MAX_SIZE  its size after each pull; see --cache-max-size of
                           imgpull and imgmount

Exit status: 0 success; 1 no such image or file, or prune --max-size could not
be kept, as what is left is in use; 2 the local system, or an image in use;
3 network or registry unavailable; 4 login refused; 5 something is damaged (and,
with --repair, still is); 64 usage; 130 interrupted.)";

constexpr char kListFooter[] = R"(
Templates have the fields .Image .ID .Digest .Platforms .Layers .Size
.SharedSize .UniqueSize .LastUsed .LastUsedAt .Mounted; with --layers .Image
.Layer .Compressed .Derived .Images. SIZE is what the image takes in the cache,
all that was derived from it included; SHARED SIZE what of that other images
have as well.

Examples:
  imgcache ls
  imgcache ls -q                           names only
  imgcache ls --format json
  imgcache ls --format 'table {{.Image}}\t{{.UniqueSize}}'
  imgcache ls --layers --no-trunc)";

constexpr char kRemoveFooter[] = R"(
IMAGE is a name, or the beginning of an ID or digest. Of several names of an
image one alone is taken away; with the last one go its files, but not the
layers that other images have.

Examples:
  imgcache rm nginx:1.25
  imgcache rm 3b25b682ea82)";

constexpr char kEvictFooter[] = R"(
An evicted image mounts as ever. Its bytes come from its registry again, as they
are read. A layer in an encoding that can only be decoded from its beginning
stays.

Examples:
  imgcache evict nginx:1.25)";

constexpr char kPruneFooter[] = R"(
Removes what no image needs: layers of tags that have moved, what was looked at
without being pulled, interrupted downloads. With options, images as well; those
used least recently go first, and never one that is in use.

Examples:
  imgcache prune
  imgcache prune --older-than 30d
  imgcache prune --max-size 20G
  imgcache prune --all --dry-run)";

constexpr char kVerifyFooter[] = R"(
Hashes every blob, and reads every layer index, span table and merged tree
through. A line for each thing that is damaged.

Examples:
  imgcache verify
  imgcache verify --repair                 fetch anew what is damaged)";

constexpr char kTransferFooter[] = R"(
The archive has all platforms of an image that are here, and is what skopeo and
podman call oci-archive.

Examples:
  imgcache export -o nginx.tar nginx
  imgcache export -o - nginx | zstd > nginx.tar.zst
  imgcache import nginx.tar
  ssh host imgcache export -o - app | imgcache import -
  imgcache import --name app:1 from-skopeo.tar)";

struct Arguments {
  ImageOptions options;
  ListFormat list;
  std::vector<std::string> images;
  bool all = false;
  bool dry_run = false;
  std::string older_than;
  std::string max_size;
  bool repair = false;
  std::string file;
  std::string name;
};

CLI::App* AddCommand(CLI::App& app, Arguments& args, const char* name,
                     const char* description, const char* footer,
                     bool with_registry = false) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer(footer);
  if (with_registry) {
    args.options.AddTo(*command);
  } else {
    args.options.AddCacheTo(*command);
  }
  return command;
}

void AddImages(CLI::App& command, Arguments& args) {
  command.add_option("IMAGE", args.images, "A cached image")
      ->required()
      ->type_name("");
}

void AddHuman(CLI::App& command, Arguments& args) {
  command
      .add_flag("-H,--human", args.list.human,
                "Rounded sizes and ages; --human=false for exact ones")
      ->default_str("true");
}

void Declare(CLI::App& app, Arguments& args) {
  app.footer(kFooter);
  app.require_subcommand(1);
  args.options.AddCacheTo(app);

  CLI::App* list = AddCommand(app, args, "ls", "List images", kListFooter);
  list->add_flag("--layers", args.list.layers, "A line for each layer");
  list->add_flag("!--no-trunc", args.list.truncate,
                 "Do not cut IDs and digests");
  list->add_option("--format", args.list.format,
                   "table, json, or a Go template for each row; \"table "
                   "TEMPLATE\" aligns it below headers")
      ->type_name("FORMAT");
  list->add_flag("-q,--quiet", args.list.quiet, "Only names");
  AddHuman(*list, args);

  CLI::App* usage =
      AddCommand(app, args, "du", "Show how much space is used, by kind", "");
  AddHuman(*usage, args);

  CLI::App* remove =
      AddCommand(app, args, "rm", "Remove images", kRemoveFooter);
  AddImages(*remove, args);

  CLI::App* evict =
      AddCommand(app, args, "evict",
                 "Give the bytes of images' layers back, and keep what it "
                 "takes to mount them",
                 kEvictFooter);
  AddImages(*evict, args);

  CLI::App* prune =
      AddCommand(app, args, "prune", "Remove what is not needed", kPruneFooter);
  prune->add_flag("-a,--all", args.all, "All images that are not in use");
  prune
      ->add_option("--older-than", args.older_than,
                   "Images not used for so long")
      ->type_name("AGE");
  prune
      ->add_option("--max-size", args.max_size,
                   "Images, until the cache has at most this size")
      ->type_name("SIZE");
  prune->add_flag("-n,--dry-run", args.dry_run, "Only say what would go");

  CLI::App* verify =
      AddCommand(app, args, "verify", "Check every blob and derived file",
                 kVerifyFooter, /*with_registry=*/true);
  verify->add_flag("--repair", args.repair,
                   "Fetch or make anew what is damaged");

  CLI::App* save = AddCommand(
      app, args, "export", "Write images to an oci-archive", kTransferFooter);
  AddImages(*save, args);
  save->add_option("-o,--output", args.file, "The archive")
      ->required()
      ->type_name("FILE");

  CLI::App* load =
      AddCommand(app, args, "import", "Take in the images of an oci-archive",
                 kTransferFooter);
  load->add_option("FILE", args.file, "The archive, compressed or not")
      ->required()
      ->type_name("");
  load->add_option("--name", args.name,
                   "The image's name, where the archive has none, or a tag "
                   "alone")
      ->type_name("IMAGE");
  load->add_flag("-q,--quiet", args.options.quiet, "Show no progress");
}

void Print(const std::string& text, const ToolIo& io) {
  io.out << (io.out_is_terminal ? PrintableLines(text) : text);
}

// "layer 134af94011bb", "index of layer 134af94011bb": for people.
std::string Describe(const CacheItem& item, const Inventory& inventory) {
  if (item.starts_with("imgmount/trees/")) return "merged tree";
  if (item.starts_with("imgmount/starts/")) return "what programs read";
  const auto digest = DigestOfItem(item);
  if (!digest) return item;
  const std::string id(digest->short_hex());
  if (item.starts_with("imgmount/layers/")) return "index of layer " + id;
  if (item.starts_with("imgmount/partial/")) return "partial download " + id;
  for (const CachedImage& image : inventory.images) {
    if (image.published.digest == *digest) return "manifest " + id;
    for (const Image& it : image.images) {
      if (it.manifest_digest == *digest) return "manifest " + id;
      if (it.manifest.config.digest == *digest) return "config " + id;
    }
  }
  return "layer " + id;
}

// What would go, each with its size and the images that have it.
std::string DryRunText(const Removal& removal, const Inventory& inventory) {
  std::string text;
  for (const std::string& name : removal.names) {
    text += "Would untag: " + name + '\n';
  }
  if (removal.items.empty()) return text;
  std::string table = "WOULD DELETE\tSIZE\tOF\n";
  for (const CacheItem& item : removal.items) {
    std::vector<std::string> images;
    for (const CachedImage& image : inventory.images) {
      if (image.items.contains(item)) images.push_back(image.ShownName());
    }
    table += fmt::format("{}\t{}\t{}\n", Describe(item, inventory),
                         ShortSize(inventory.BytesOf({item})),
                         images.empty()
                             ? "no image"
                             : fmt::format("{}", fmt::join(images, ", ")));
  }
  return text + AlignColumns(table);
}

void PrintRemoval(const Removal& removal, const ToolIo& io) {
  std::string text;
  for (const std::string& name : removal.names) {
    text += "Untagged: " + name + '\n';
  }
  for (const CacheItem& item : removal.items) {
    text += "Deleted: " + item + '\n';
  }
  Print(text, io);
}

Status List(const Cache& cache, const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  ListFormat format = args.list;
  format.now = std::time(nullptr);
  if (io.out_is_terminal) format.columns = TerminalColumns(STDOUT_FILENO);
  IMGMOUNT_TRY(const std::string text, ListImages(inventory, format));
  Print(text, io);
  return {};
}

Status ShowUsage(const Cache& cache, const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  Print(DiskUsage(cache, inventory, args.list.human), io);
  return {};
}

Status RemoveAll(const Cache& cache, const Arguments& args, const ToolIo& io) {
  const auto remove = [&](const std::string& image) -> Status {
    IMGMOUNT_TRY(const Removal removal, RemoveImage(cache, image));
    PrintRemoval(removal, io);
    return {};
  };
  return ForEach(args.images, remove, io, kTool);
}

Status EvictAll(const Cache& cache, const Arguments& args, const ToolIo& io) {
  uint64_t bytes = 0;
  const auto evict = [&](const std::string& image) -> Status {
    IMGMOUNT_TRY(const Eviction eviction, EvictImage(cache, image));
    std::string text;
    for (const Digest& layer : eviction.layers) {
      text += "Evicted: " + layer.text() + '\n';
    }
    for (const auto& [layer, why] : eviction.kept) {
      text += "Kept: " + layer.text() + ": " + why + '\n';
    }
    Print(text, io);
    bytes += eviction.bytes;
    return {};
  };
  IMGMOUNT_CHECK(ForEach(args.images, evict, io, kTool));
  io.out << "Total reclaimed space: " << ShortSize(bytes) << '\n';
  return {};
}

Status PruneBy(const Cache& cache, const Arguments& args, const ToolIo& io) {
  PruneRules rules{.all_images = args.all, .dry_run = args.dry_run};
  if (!args.older_than.empty()) {
    IMGMOUNT_TRY(const int64_t age, ParseDuration(args.older_than));
    rules.used_before = std::time(nullptr) - age;
  }
  if (!args.max_size.empty()) {
    IMGMOUNT_TRY(rules.max_bytes, ParseSize(args.max_size));
  }
  IMGMOUNT_TRY(const Removal removal, Prune(cache, rules));
  if (args.dry_run) {
    IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
    Print(DryRunText(removal, inventory), io);
  } else {
    PrintRemoval(removal, io);
  }
  io.out << (args.dry_run ? "Reclaimable space: " : "Total reclaimed space: ")
         << ShortSize(removal.bytes) << '\n';
  if (!rules.max_bytes || removal.left_bytes <= *rules.max_bytes) return {};
  return Fail(
      ErrorCode::kNotFound,
      fmt::format(
          "{} {} left, more than {}: {}", ShortSize(removal.left_bytes),
          args.dry_run ? "would be" : "are", ShortSize(*rules.max_bytes),
          removal.in_use.empty()
              ? "the rest is not imgcache's to remove"
              : fmt::format("in use: {}", fmt::join(removal.in_use, ", "))));
}

void PrintDamage(const Verification& verified, const ToolIo& io) {
  std::string text;
  for (const Damage& damage : verified.damage) {
    text += damage.item + ": " + damage.what + '\n';
  }
  text += fmt::format("Checked {} blobs, {} layer indexes, {} merged trees: ",
                      verified.blobs, verified.layers, verified.trees);
  text += verified.damage.empty()
              ? "all intact\n"
              : fmt::format("{} damaged\n", verified.damage.size());
  if (verified.busy > 0) {
    text += fmt::format("Left out {} layers that are being pulled\n",
                        verified.busy);
  }
  Print(text, io);
  io.out << std::flush;
}

Status Verify(const Cache& cache, const Arguments& args,
              const CancelFlag& cancel, const ToolIo& io) {
  const auto stopped = StoppedBy(&cancel);
  IMGMOUNT_TRY(Verification verified, VerifyCache(cache, stopped));
  PrintDamage(verified, io);
  if (verified.damage.empty()) return {};
  if (args.repair) {
    IMGMOUNT_TRY(const FetchConfig config, args.options.Config(io, cancel));
    const Status repaired =
        Repair(cache, verified, config, args.options.Progress(io), io);
    if (!repaired && repaired.error().code() == ErrorCode::kCancelled) {
      return repaired;
    }
    // Files that were made anew may show that something else is wrong.
    IMGMOUNT_TRY(verified, VerifyCache(cache, stopped));
    PrintDamage(verified, io);
    if (verified.damage.empty()) return repaired;
    if (!repaired) Report(io, kTool, repaired.error());
  }
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{}: {} damaged{}", cache.folder().string(),
                          verified.damage.size(),
                          args.repair ? "" : "; imgcache verify --repair"));
}

Status Run(const std::string& command, const Arguments& args,
           const CancelFlag& cancel, const ToolIo& io) {
  const auto folder = args.options.CacheFolder(io);
  // A mistyped folder is no empty cache.
  if (command != "export" && command != "import" &&
      !args.options.cache_dir.empty() && !Cache::IsThere(folder)) {
    return Fail(ErrorCode::kNotFound, folder.string() + ": no cache is there");
  }
  IMGMOUNT_TRY(const Cache cache, Cache::Open(folder));
  if (command == "export") {
    return ExportImages(args.images, args.file, cache, &cancel);
  }
  if (command == "import") {
    return ImportImages(args.file, args.name, cache, &cancel,
                        args.options.Progress(io), io);
  }
  if (command == "ls") return List(cache, args, io);
  if (command == "du") return ShowUsage(cache, args, io);
  if (command == "rm") return RemoveAll(cache, args, io);
  if (command == "evict") return EvictAll(cache, args, io);
  if (command == "prune") return PruneBy(cache, args, io);
  return Verify(cache, args, cancel, io);
}

}  // namespace

int ImgcacheMain(std::vector<std::string> args, const ToolIo& io) {
  CLI::App app("Show, trim, check and move the cache of images.", kTool);
  Arguments arguments;
  Declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }
  const InterruptScope interrupt;
  const Status status = Run(app.get_subcommands().front()->get_name(),
                            arguments, interrupt.flag(), io);
  if (status) return 0;
  return Report(io, kTool, status.error());
}

}  // namespace imgmount
