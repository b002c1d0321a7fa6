#include "fs/imgmount_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>

#include "fetch/explain.h"
#include "fetch/image_finder.h"
#include "fetch/interrupt.h"
#include "fetch/pull_missing.h"
#include "fs/daemon.h"
#include "fs/log.h"
#include "fs/mount_options.h"
#include "fs/mount_table.h"
#include "fs/session.h"
#include "fs/tree_reader.h"
#include "meta/base/file.h"
#include "meta/cli/command_line.h"
#include "meta/image/layer_suffix.h"
#include "meta/store/layer_store.h"
#include "meta/store/mount_record.h"
#include "meta/store/use_lock.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgmount";

constexpr char kFooter[] = R"(
IMAGE is a reference as docker takes it (nginx, user/app:1.2,
localhost:5000/x@sha256:...), or oci:DIR[:REF], oci-archive:FILE[:REF],
docker-archive:FILE[:REF], docker-daemon:REF, containers-storage:REF. With @N
behind it, the image as of its layer N; layer 0 is the bottom one. An image
that is not in the cache is pulled first.

The mount is served in the background until it is unmounted (imgmount -u DIR,
fusermount3 -u DIR, umount DIR) or its process gets SIGTERM.

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
  imgmount oci:build/image:latest@2 /mnt/layer2
  imgmount -l
  imgmount -u /mnt/nginx

Exit status: 0 success; 1 no such image, tag or file; 2 the local system (disk,
permissions); 3 network or registry unavailable; 4 login or permission refused;
5 wrong bytes; 6 unsupported; 32 mount failed; 64 usage; 70 internal;
130 interrupted.
)";

struct Arguments {
  ImageOptions image_options;
  std::string image;
  std::string directory;
  std::vector<std::string> mount_options;
  std::string log_file;
  bool foreground = false;
  bool list = false;
  bool explain = false;
  std::string unmount;
  bool push = true;
};

class HelpFormat : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* /*app*/,
                         std::string /*name*/) const override {
    return "Usage: imgmount [OPTIONS] IMAGE DIR\n"
           "       imgmount --explain IMAGE\n"
           "       imgmount -u DIR\n"
           "       imgmount -l\n";
  }
};

void Declare(CLI::App& app, Arguments& args) {
  app.formatter(std::make_shared<HelpFormat>());
  app.footer(kFooter);
  app.add_option("IMAGE", args.image, "The image to mount");
  app.add_option("DIR", args.directory, "Where to mount it");
  app.add_option("-o,--options", args.mount_options, "Mount options; see below")
      ->allow_extra_args(false)
      ->type_name("OPTIONS");
  app.add_flag("-f,--foreground", args.foreground,
               "Stay in the foreground; Ctrl-C unmounts");
  app.add_option("--log", args.log_file,
                 "Log to this file rather than to the system log")
      ->type_name("FILE");
  app.add_flag("-l,--list", args.list, "List what is mounted, and where");
  app.add_flag("--explain", args.explain,
               "Print where IMAGE would come from, with which login and "
               "certificates, and why; fetch nothing");
  app.add_option("-u,--unmount", args.unmount, "Unmount DIR")->type_name("DIR");
  app.add_flag("!--no-push", args.push,
               "Do not put small files into the page cache before they are "
               "asked for");
  args.image_options.AddTo(app);
}

Status ListMounts(const ToolIo& io) {
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  for (const MountEntry& mount : table) {
    if (!mount.is_ours()) continue;
    io.out << mount.source << " on " << mount.point << '\n';
  }
  return {};
}

Status UnmountDirectory(const std::string& directory) {
  const auto point = MountPointPath(directory);
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  const auto mount = point ? MountAt(table, *point) : std::nullopt;
  if (!mount || !mount->is_ours()) {
    return Fail(ErrorCode::kMount,
                directory + ": no image is mounted there; see imgmount -l");
  }
  return UnmountPoint(*point, Unmount::kNow);
}

// What a mount shows, and what it holds on to meanwhile.
struct MountableImage {
  NamedImage named;
  Image image;
  UseLock in_use;
  std::unique_ptr<UnionTree> tree;
};

Result<MountableImage> OpenMountable(const Arguments& args, const ToolIo& io) {
  const InterruptScope interrupt;
  ImageOptions options = args.image_options;
  options.cancel = &interrupt.flag();
  IMGMOUNT_TRY(const LayerSuffix suffix, ParseLayerSuffix(args.image));
  IMGMOUNT_TRY(NamedImage named, OpenImage(suffix.image, options, io));
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolve(named));
  IMGMOUNT_TRY(const size_t layers,
               LayersAsOf(suffix, resolved.image.manifest.layers.size()));
  IMGMOUNT_TRY(UseLock in_use, UseLock::Hold(named.cache, resolved.image));
  IMGMOUNT_CHECK(PullMissing(named, resolved, suffix.image, options, io));
  IMGMOUNT_TRY(auto tree, OpenTree(named.cache, resolved.image, layers));
  return MountableImage{std::move(named), std::move(resolved.image),
                        std::move(in_use), std::move(tree)};
}

Status MountImage(const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(const MountOptions options,
               MountOptions::Parse(args.mount_options, ::geteuid() == 0));
  IMGMOUNT_TRY(const auto mount_point, CheckMountPoint(args.directory));
  UniqueFd log_file;
  if (!args.log_file.empty()) {
    IMGMOUNT_TRY(log_file,
                 OpenFile(args.log_file, O_WRONLY | O_CREAT | O_APPEND, 0644));
  }
  IMGMOUNT_TRY(const MountableImage mountable, OpenMountable(args, io));
  const Image& image = mountable.image;
  const SessionConfig config{.mount_point = mount_point,
                             .name = args.image,
                             .options = options,
                             .push = args.push};

  const auto serve = [&](const std::function<void()>& ready) -> Status {
    if (log_file) {
      SetLogSink(FileSink(std::move(log_file)));
    } else if (!args.foreground) {
      SetLogSink(SyslogSink());
    }
    IMGMOUNT_TRY(const MountRecord record,
                 MountRecord::Hold(mountable.named.cache, image.manifest_digest,
                                   mount_point));
    TreeReaderOptions reader_options;
    reader_options.log = [](std::string_view line) { Log(line); };
    const auto reader = TreeReader::Make(
        *mountable.tree,
        [&](LayerPosition position) -> Result<OpenedLayer> {
          if (position >= image.manifest.layers.size()) {
            return Fail(ErrorCode::kCorrupt, "the image has no such layer");
          }
          return OpenLayer(mountable.named.cache,
                           image.manifest.layers[position],
                           image.config.diff_ids[position]);
        },
        std::move(reader_options));
    const Status served = RunSession(*mountable.tree, *reader, config, ready);
    SetLogSink({});
    return served;
  };
  if (args.foreground) return serve({});
  return RunInBackground(serve);
}

Status Run(const Arguments& args, const ToolIo& io) {
  if (args.list) return ListMounts(io);
  if (!args.unmount.empty()) return UnmountDirectory(args.unmount);
  if (args.explain && !args.image.empty()) {
    IMGMOUNT_TRY(const LayerSuffix suffix, ParseLayerSuffix(args.image));
    IMGMOUNT_TRY(const std::string text,
                 ExplainImage(suffix.image, args.image_options, io));
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
  CLI::App app("Mount a container image as a read-only directory", kTool);
  Arguments arguments;
  Declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }
  const Status status = Run(arguments, io);
  if (!status) return Report(io, kTool, status.error());
  return 0;
}

}  // namespace imgmount
