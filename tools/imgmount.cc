// SPDX-License-Identifier: Apache-2.0
#include "tools/imgmount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "fetch/find/explain.h"
#include "fetch/find/open_image.h"
#include "fetch/find/platforms.h"
#include "fetch/lazy/lazy_fill.h"
#include "fs/log.h"
#include "fs/mount/daemon.h"
#include "fs/mount/mount_options.h"
#include "fs/mount/mount_table.h"
#include "fs/mount/session.h"
#include "fs/view/composed_fs.h"
#include "fs/view/image_views.h"
#include "meta/base/file.h"
#include "meta/cli/help_format.h"
#include "meta/cli/interrupt.h"
#include "meta/image/layer_suffix.h"
#include "meta/image/manifest.h"
#include "meta/report/history.h"
#include "meta/report/row_format.h"
#include "meta/store/mount_record.h"
#include "meta/text/printable.h"
#include "meta/text/quantities.h"
#include "tools/image_options.h"
#include "tools/local_image.h"
#include "tools/mount_list.h"
#include "tools/run_tool.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgmount";

constexpr char kFooter[] = R"(
IMAGE is a reference as docker takes it (nginx, user/app:1.2,
localhost:5000/x@sha256:...), or oci:DIR[:REF], oci-archive:FILE[:REF],
docker-archive:FILE[:REF], docker-daemon:REF, containers-storage:REF, or the ID
of a cached image, also its beginning (imgcache ls). With @N behind it, the
image as of its layer N; layer 0 is the bottom one.

The mount is served in the background until it is unmounted (imgmount -u DIR,
fusermount3 -u DIR, umount DIR) or its process gets SIGTERM.

--all shows all there is to an image:
  rootfs/               its files
  layers/00/ ...        each layer alone; what it deletes from those below are
                        character devices 0:0, as overlayfs has them
  asof/00/ ...          the image as of each layer
  config.json, manifest.json, history.txt
--platform all shows all platforms of the image side by side, as linux-amd64/
and so on, and may be combined with --all. One that cannot be pulled is left out
with a warning; only when none is left it is an error.

An image is mounted as soon as its files can be listed. Layers with a table of
contents (eStargz, zstd:chunked) need not be here for that, nor those of an
image that was evicted (imgcache evict): their bytes are fetched and checked as
they are read, and the rest while nobody waits. Other layers are pulled first.
What is shown is the same either way, files that were added to the layer for its
table's sake included; but tables as stargz-snapshotter makes them tell times of
files in whole seconds, and so does a mount that was made by them.

With --provenance regular files and directories have the xattrs
  user.imgmount.layer, .digest, .created_by
                        the layer that they are from
  user.imgmount.hidden_in
                        in @N, --layer and --all: the layer further up that
                        replaces or deletes them, if there is one

Mount options, comma-separated, as mount(8) takes them:
  allow_other           let other users in (the default for root)
  allow_root            let root in
  default_permissions   hold everyone to the files' modes (implied by
                        allow_other); else the one who mounts may read all
  uid=N, gid=N          show N as the owner, as the group of every file
  suid, dev             honour setuid bits, device nodes (root; default: don't)
  noexec, noatime, sync, dirsync, ...
  max_read=N            largest read request, in bytes
  fsname=NAME           shown by findmnt instead of the image's name
  auto_unmount          unmount even if the process is killed

Examples:
  imgmount nginx /mnt/nginx
  imgmount -o uid=1000,noexec docker.io/library/debian:12 ~/debian
  imgmount oci:build/image:latest@2 /mnt/asof2
  imgmount --layer 2 nginx /mnt/layer2
  imgmount --all nginx /mnt/nginx
  diff -r --no-dereference /mnt/nginx/asof/03 /mnt/nginx/asof/04
  imgmount --provenance nginx /mnt/nginx
  getfattr -d /mnt/nginx/etc/passwd
  imgmount -l
  imgmount -u /mnt/nginx
  imgmount -u --lazy --all

Exit status: 0 success; 1 no such image, tag or file; 2 the local system (disk,
permissions); 3 network or registry unavailable; 4 login or permission refused;
5 wrong bytes; 6 unsupported; 32 mount failed; 64 usage; 70 internal;
130 interrupted.
)";

struct Arguments {
  ImageOptions image_options;
  std::string image;
  std::string directory;
  std::vector<std::string> more;  // with -u
  std::vector<std::string> mount_options;
  std::string log_file;
  bool foreground = false;
  bool list = false;
  bool json = false;
  bool explain = false;
  bool unmount = false;
  bool lazy = false;
  bool push = true;
  bool eager = false;
  std::string fill = "idle";
  std::string read_timeout;
  bool provenance = false;
  bool all = false;
  std::optional<size_t> layer;

  Result<RangeFetcherOptions> LazyOptions() const {
    RangeFetcherOptions options;
    if (read_timeout.empty()) return options;
    auto seconds = ParseDuration(read_timeout);
    if (!seconds) {
      return Failure(std::move(seconds).error().In("--read-timeout"));
    }
    options.patience = std::chrono::seconds(*seconds);
    return options;
  }
  // All that is no option.
  std::vector<std::string> operands() const {
    std::vector<std::string> all = {image, directory};
    all.insert(all.end(), more.begin(), more.end());
    std::erase(all, "");
    return all;
  }
  bool all_platforms() const { return image_options.platform == "all"; }
  // Without a platform where all are asked for.
  Result<FetchConfig> Config(const ToolIo& io, const CancelFlag& cancel) const {
    ImageOptions options = image_options;
    if (all_platforms()) options.platform.clear();
    return options.Config(io, cancel);
  }
};

constexpr char kUsage[] =
    "Usage: imgmount [OPTIONS] IMAGE DIR\n"
    "       imgmount --explain IMAGE\n"
    "       imgmount -u [--lazy] DIR... | --all\n"
    "       imgmount -l [--json]\n";

void Declare(CLI::App& app, Arguments& args) {
  app.formatter(std::make_shared<HelpFormat>(kUsage));
  app.footer(kFooter);
  app.add_option("IMAGE", args.image, "The image to mount");
  app.add_option("DIR", args.directory, "Where to mount it");
  app.add_option("MORE", args.more)->group("");
  app.add_option("-o,--options", args.mount_options, "Mount options; see below")
      ->allow_extra_args(false)
      ->type_name("OPTIONS");
  app.add_flag("-f,--foreground", args.foreground,
               "Stay in the foreground; Ctrl-C unmounts");
  app.add_option("--log", args.log_file,
                 "Log to this file rather than to the system log")
      ->type_name("FILE");
  const auto list = app.add_flag(
      "-l,--list", args.list,
      "List what is mounted where, since when, by which process, and whether "
      "that is alive; with --quiet only where");
  app.add_flag("--json", args.json, "With --list: as JSON")->needs(list);
  app.add_flag("--explain", args.explain,
               "Print where IMAGE would come from, with which login and "
               "certificates, and why; fetch nothing");
  const auto unmount =
      app.add_flag("-u,--unmount", args.unmount,
                   "Unmount each DIR; with --all, all images that are mounted");
  app.add_flag("-z,--lazy", args.lazy,
               "With --unmount: also what is in use, out of sight at once and "
               "gone when nobody uses it any more")
      ->needs(unmount);
  app.add_flag("!--no-push", args.push,
               "Do not put files into the page cache before they are asked "
               "for");
  app.add_flag("--eager", args.eager,
               "Have all of the image here before it is mounted, rather than "
               "when it is read");
  app.add_option("--fill", args.fill,
                 "Fetch what nobody has read yet while nobody waits for "
                 "anything (idle), or never (no)")
      ->check(CLI::IsMember({"idle", "no"}))
      ->type_name("WHEN")
      ->capture_default_str();
  app.add_option("--read-timeout", args.read_timeout,
                 "Let a read fail whose bytes do not come for so long, such as "
                 "2m (else 60s); 0: when the server has been tried")
      ->type_name("DURATION");
  const auto all = app.add_flag(
      "--all", args.all,
      "Show the image, its layers, its states, its config and its history");
  app.add_option("--layer", args.layer,
                 "Show layer N alone, with its whiteouts")
      ->check(CLI::Range(size_t{0}, kMaxLayers - 1))
      ->excludes(all)
      ->type_name("N");
  app.add_flag("--provenance", args.provenance,
               "Tell in xattrs which layer a file is from");
  args.image_options.AddTo(app);
}

Status ListMounts(const Arguments& args, const ToolIo& io) {
  const auto style = args.json                  ? MountListStyle::kJson
                     : args.image_options.quiet ? MountListStyle::kPoints
                                                : MountListStyle::kTable;
  IMGMOUNT_TRY(const std::string text,
               MountListText(args.image_options.CacheFolder(io), style));
  io.out << (io.out_is_terminal ? PrintableLines(text) : text);
  return {};
}

Status UnmountDirectory(const std::string& directory, Unmount how) {
  const auto point = MountPointPath(directory);
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  const auto mount = point ? MountAt(table, *point) : std::nullopt;
  if (!mount || !mount->is_ours()) {
    return Fail(ErrorCode::kMount,
                directory + ": no image is mounted there; see imgmount -l");
  }
  return UnmountPoint(*point, how);
}

// What this user may unmount; what was mounted last comes first.
Result<std::vector<std::string>> AllMountPoints() {
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  std::vector<std::string> points;
  for (auto mount = table.rbegin(); mount != table.rend(); ++mount) {
    if (mount->is_ours() && (::geteuid() == 0 || mount->owner == ::geteuid())) {
      points.push_back(mount->point);
    }
  }
  return points;
}

Status UnmountAsAsked(const Arguments& args, const ToolIo& io) {
  std::vector<std::string> points = args.operands();
  if (points.empty() != args.all) {
    return Fail(ErrorCode::kUsage, "-u needs each DIR or --all");
  }
  if (args.all) {
    IMGMOUNT_TRY(points, AllMountPoints());
  }
  const auto how = args.lazy ? Unmount::kLazy : Unmount::kNow;
  return ForEach(
      points,
      [how](const std::string& point) { return UnmountDirectory(point, how); },
      io, kTool);
}

// One image, or with --platform all one for each platform that can be had.
Result<std::vector<LocalImage>> OpenImages(const Arguments& args,
                                           const ToolIo& io) {
  const InterruptScope interrupt;
  IMGMOUNT_TRY(FetchConfig config, args.Config(io, interrupt.flag()));
  const ProgressFactory progress = args.image_options.Progress(io);
  IMGMOUNT_TRY(LayerSuffix name, ParseLayerSuffix(args.image));
  if (args.layer) name.layer = args.layer;
  std::vector<LocalImage> images;
  if (!args.all_platforms()) {
    IMGMOUNT_TRY(const RangeFetcherOptions lazy, args.LazyOptions());
    IMGMOUNT_TRY(LocalImage image,
                 args.eager ? OpenLocalImage(name, config, progress)
                            : OpenLazily(name, config, progress, lazy));
    images.push_back(std::move(image));
    return images;
  }
  if (args.layer) {
    return Fail(ErrorCode::kUsage,
                "--layer and --platform all exclude each other");
  }
  IMGMOUNT_TRY(NamedImage named, OpenImage(name.image, config));
  IMGMOUNT_TRY(const auto platforms, PlatformsOf(named));
  std::vector<Error> left_out;
  for (const Platform& platform : platforms) {
    const auto open = [&]() -> Result<LocalImage> {
      // The index's own spelling may be another.
      IMGMOUNT_TRY(config.platform, Platform::Parse(platform.Text()));
      return OpenLocalImage(name, config, progress);
    };
    auto image = open();
    if (image) {
      images.push_back(*std::move(image));
      continue;
    }
    if (image.error().code() == ErrorCode::kCancelled) {
      return Failure(std::move(image).error());
    }
    left_out.push_back(std::move(image).error().In(platform.Text()));
  }
  if (images.empty()) return Failure(left_out.front());
  for (const Error& error : left_out) {
    io.err << kTool << ": warning: left out " << error.message() << '\n';
  }
  return images;
}

// "linux-arm-v7"
std::string DirectoryName(const Platform& platform) {
  std::string name = platform.Text();
  std::replace(name.begin(), name.end(), '/', '-');
  return name;
}

// As `imghistory --no-trunc --human=false` prints it.
Result<std::string> HistoryText(const LocalImage& local) {
  std::vector<nlohmann::ordered_json> fields;
  for (const HistoryRow& row : HistoryOf(local.image, local.cache)) {
    fields.push_back(
        HistoryFields(row, local.image, {.truncate = false, .human = false}));
  }
  std::vector<FormatRow> rows;
  for (const auto& row : fields) rows.push_back({&row, &row});
  return FormatRows(
      "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t"
      "{{.Comment}}",
      HistoryHeaders(), rows);
}

// The images of a mount as what was asked for.
struct ShownImages {
  std::vector<std::unique_ptr<ImageViews>> views;  // outlive the rest
  std::shared_ptr<const ImageView> view;
  std::optional<ComposedFs> composed;
};

Result<std::shared_ptr<const FileSystem>> Show(
    const Arguments& args, const std::vector<LocalImage>& images,
    const MountOptions& mount_options, const Log& log) {
  const auto shown = std::make_shared<ShownImages>();
  const auto budget = std::make_shared<ReadBudget>();
  for (const LocalImage& local : images) {
    shown->views.push_back(
        std::make_unique<ImageViews>(local.layers, local.image, local.cache,
                                     ViewOptions{.uid = mount_options.uid,
                                                 .gid = mount_options.gid,
                                                 .provenance = args.provenance,
                                                 .budget = budget,
                                                 .log = log}));
  }
  ImageViews& first = *shown->views.front();
  if (!args.all && !args.all_platforms()) {
    IMGMOUNT_TRY(shown->view, args.layer
                                  ? first.Alone(*args.layer)
                                  : first.Rootfs(images.front().layer_count));
    return std::shared_ptr<const FileSystem>(shown, &shown->view->fs());
  }
  ComposedFs& fs = shown->composed.emplace(first.OwnAttributes());
  for (size_t i = 0; i < images.size(); ++i) {
    const LocalImage& local = images[i];
    const std::string name = DirectoryName(local.platform);
    if (!args.all) {
      shown->views[i]->AddAsOf(fs, kRootIno, name, local.layer_count);
      continue;
    }
    IMGMOUNT_TRY(std::string history, HistoryText(local));
    const Ino directory =
        args.all_platforms() ? fs.AddDirectory(kRootIno, name) : kRootIno;
    shown->views[i]->AddAll(fs, directory, local.layer_count,
                            std::move(history));
  }
  return std::shared_ptr<const FileSystem>(shown, &fs);
}

Result<Log> OpenLog(const Arguments& args) {
  if (args.log_file.empty()) {
    return args.foreground ? StderrLog() : SyslogLog();
  }
  IMGMOUNT_TRY(UniqueFd file,
               OpenFile(args.log_file, O_WRONLY | O_CREAT | O_APPEND, 0644));
  return FileLog(std::move(file));
}

// Brings what is not here yet, as long as the result lives.
std::shared_ptr<void> StartFilling(const Arguments& args,
                                   const std::vector<LocalImage>& images,
                                   const Log& log) {
  if (args.fill == "no") return nullptr;
  const auto fills = std::make_shared<std::vector<std::unique_ptr<LazyFill>>>();
  for (const LocalImage& local : images) {
    if (!local.lazy) continue;
    fills->push_back(std::make_unique<LazyFill>(local.lazy, log));
  }
  return fills;
}

// As findmnt shows it: "nginx@3", "nginx --layer 1".
std::string SourceName(const Arguments& args) {
  std::string name = args.image;
  if (args.layer) name += fmt::format(" --layer {}", *args.layer);
  if (args.all) name += " --all";
  if (!args.image_options.platform.empty()) {
    name += " --platform " + args.image_options.platform;
  }
  return name;
}

// Which part of the image; "" is all of it.
std::string Shown(const Arguments& args, const LocalImage& local) {
  if (args.layer) return fmt::format("layer {}", *args.layer);
  if (args.all) return "all";
  if (local.layer) return fmt::format("as of layer {}", *local.layer);
  return args.all_platforms() ? "all platforms" : "";
}

Status MountImage(const Arguments& args, const ToolIo& io) {
  const std::vector<int> inherited = InheritedDescriptors();
  IMGMOUNT_TRY(const MountOptions options,
               MountOptions::Parse(args.mount_options, ::geteuid() == 0));
  IMGMOUNT_TRY(const auto mount_point, CheckMountPoint(args.directory));
  IMGMOUNT_TRY(const Log log, OpenLog(args));
  IMGMOUNT_TRY(auto images, OpenImages(args, io));
  const auto lock = [cache = images.front().cache]() -> std::shared_ptr<void> {
    auto mounting = cache.Lock("mounting");
    // A full disk, or a cache that may only be read, has no such lock.
    if (!mounting) return nullptr;
    return std::make_shared<FileLock>(*std::move(mounting));
  };
  const MountConfig config{.mount_point = mount_point,
                           .name = SourceName(args),
                           .options = options,
                           .log = log,
                           .lock = lock};

  const auto serve = [&](const std::function<void()>& ready) -> Status {
    std::vector<MountRecord> records;
    for (const LocalImage& local : images) {
      auto record = MountRecord::Hold(local.cache, local.image.manifest_digest,
                                      mount_point, Shown(args, local));
      if (record) {
        records.push_back(*std::move(record));
      } else {  // a full disk, or a cache that may only be read
        log("imgcache will not show this mount: " + record.error().message());
      }
    }
    IMGMOUNT_TRY(auto shown, Show(args, images, options, log));
    const auto start_work = [&] { return StartFilling(args, images, log); };
    const Status served =
        args.foreground
            ? RunSession(*shown, args.push, config, ready, start_work)
            : RunKeptSession(std::move(shown), args.push, config, ready,
                             start_work);
    shown.reset();
    images.clear();  // their use locks, before the records
    return served;
  };
  if (args.foreground) return serve({});
  return RunInBackground(serve, log, inherited);
}

Status Run(const Arguments& args, const ToolIo& io) {
  if (args.unmount) return UnmountAsAsked(args, io);
  if (args.list && !args.image.empty()) {
    return Fail(ErrorCode::kUsage,
                "unexpected argument " + args.image + " with --list");
  }
  if (args.list) return ListMounts(args, io);
  if (!args.more.empty()) {
    return Fail(ErrorCode::kUsage, "unexpected argument " + args.more.front() +
                                       "; see imgmount --help");
  }
  if (args.explain) {
    if (args.image.empty()) {
      return Fail(ErrorCode::kUsage, "IMAGE is needed; see imgmount --help");
    }
    IMGMOUNT_TRY(const LayerSuffix suffix, ParseLayerSuffix(args.image));
    const CancelFlag never = false;
    IMGMOUNT_TRY(const FetchConfig config, args.Config(io, never));
    IMGMOUNT_TRY(const std::string text, ExplainImage(suffix.image, config));
    io.out << text;
    return {};
  }
  if (args.image.empty() || args.directory.empty()) {
    return Fail(ErrorCode::kUsage,
                "IMAGE and DIR are needed; see imgmount --help");
  }
  return MountImage(args, io);
}

}  // namespace

int ImgmountMain(std::vector<std::string> args, const ToolIo& io) {
  return RunTool(kTool, "Mount a container image as a read-only directory",
                 std::move(args), io, Declare, Run);
}

}  // namespace imgmount
