// SPDX-License-Identifier: Apache-2.0
#include "tools/imgexport.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "fs/export/tree_tar.h"
#include "meta/base/file.h"
#include "meta/cli/interrupt.h"
#include "meta/diff/tree_lookup.h"
#include "meta/image/layer_suffix.h"
#include "tools/image_options.h"
#include "tools/image_side.h"
#include "tools/local_image.h"
#include "tools/run_tool.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgexport";

constexpr char kFooter[] = R"(
Writes the files of an image, all layers merged, as one tar: owners, modes,
times, xattrs, hard links, devices, and holes of sparse files are those of the
image. Nothing is mounted, so neither /dev/fuse nor root is needed. The same
image gives the same bytes. With @N behind IMAGE, the files as of its layer N.
An image that is not in the cache is pulled first.

With --path only what lies there, under its name in the image; links that lead
there are followed inside the image.

To unpack it as root, with everything: tar --xattrs --xattrs-include='*' -xpf
FILE. The image itself, with its layers and its config, is exported by
imgcache export.

Examples:
  imgexport nginx -o nginx.tar
  imgexport nginx | tar -tv
  imgexport nginx | podman import - nginx:flat
  imgexport nginx@2 | zstd > asof2.tar.zst
  imgexport --path /etc/nginx nginx | tar -x

Exit status: 0 success; 1 no such image or file; 2 the local system (disk,
permissions); 3 network or registry unavailable; 4 login or permission refused;
5 wrong bytes; 6 unsupported; 64 usage, or the tar would go to a terminal;
70 internal; 130 interrupted.
)";

struct Arguments {
  ImageOptions image_options;
  std::string image;
  std::string output = "-";
  std::string path;
};

void Declare(CLI::App& app, Arguments& args) {
  app.footer(kFooter);
  app.add_option("IMAGE", args.image, "The image, or IMAGE@N")
      ->required()
      ->type_name("");
  app.add_option("-o,--output", args.output,
                 "Write there instead of to standard output")
      ->type_name("FILE");
  app.add_option("--path", args.path, "Only this file or directory")
      ->type_name("PATH");
  args.image_options.AddTo(app);
}

Status Export(const Arguments& args, int fd, const ToolIo& io) {
  const InterruptScope interrupt;
  IMGMOUNT_TRY(const FetchConfig config,
               args.image_options.Config(io, interrupt.flag()));
  IMGMOUNT_TRY(const LayerSuffix name, ParseLayerSuffix(args.image));
  IMGMOUNT_TRY(const LocalImage image,
               OpenLocalImage(name, config, args.image_options.Progress(io)));
  IMGMOUNT_TRY(const auto tree, image.layers->Tree(image.layer_count));
  ImageSide files(image, *tree);
  const auto top = FollowPath(files.tree(), args.path);
  if (!top && top.error().code() == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kNotFound,
                args.path + ": no such file in " + args.image);
  }
  if (!top) return Failure(top.error());
  return WriteTreeTar(*tree, files.reader(), top->inode.ino, top->path, fd,
                      StoppedBy(&interrupt.flag()));
}

Status Run(const Arguments& args, const ToolIo& io) {
  IMGMOUNT_TRY(AtomicFile out, AtomicFile::CreateOutput(args.output));
  if (::isatty(out.fd()) == 1) {
    return Fail(ErrorCode::kUsage,
                "a tar is nothing for a terminal; name a file (-o FILE) or "
                "pipe it into a program");
  }
  IMGMOUNT_CHECK(Export(args, out.fd(), io));
  return out.Commit();
}

}  // namespace

int ImgexportMain(std::vector<std::string> args, const ToolIo& io) {
  return RunTool(kTool, "Write the files of an image as a tar.",
                 std::move(args), io, Declare, Run);
}

}  // namespace imgmount
