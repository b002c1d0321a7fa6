// SPDX-License-Identifier: Apache-2.0
#include "tools/imgcat.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "meta/cli/interrupt.h"
#include "meta/diff/tree_lookup.h"
#include "meta/image/layer_suffix.h"
#include "tools/image_options.h"
#include "tools/image_side.h"
#include "tools/local_image.h"
#include "tools/run_tool.h"

namespace imgmount {
namespace {

constexpr char kTool[] = "imgcat";
constexpr size_t kChunk = 1 << 20;

constexpr char kFooter[] = R"(
Writes the bytes of files of an image to standard output, one after the other.
Nothing is mounted, so neither /dev/fuse nor root is needed. A PATH counts from
the image's root, with or without a slash in front; links are followed as a
program in the image would follow them, and never lead out of it. With @N behind
IMAGE, the files as of its layer N. An image that is not in the cache is pulled
first.

Examples:
  imgcat nginx /etc/nginx/nginx.conf
  imgcat nginx@2 etc/os-release /etc/debian_version
  imgcat --platform linux/arm64 nginx /usr/sbin/nginx | file -
  imgcat app:1 /app/config.json | diff - <(imgcat app:2 /app/config.json)

Exit status: 0 success; 1 no such image or file, or it is a directory or device,
which has no bytes; 2 the local system (disk, permissions); 3 network or
registry unavailable; 4 login or permission refused; 5 wrong bytes;
6 unsupported; 64 usage; 70 internal; 130 interrupted. With several PATHs, that
of the last that failed; the others are written all the same.
)";

struct Arguments {
  ImageOptions image_options;
  std::string image;
  std::vector<std::string> paths;
};

void Declare(CLI::App& app, Arguments& args) {
  app.footer(kFooter);
  app.add_option("IMAGE", args.image, "The image, or IMAGE@N")
      ->required()
      ->type_name("");
  app.add_option("PATH", args.paths, "A file in it")->required()->type_name("");
  args.image_options.AddTo(app);
}

Status WriteFile(const std::string& path, const std::string& image,
                 ImageSide& files, const CancelFlag& cancel,
                 std::ostream& out) {
  const auto found = ResolveIn(files.tree(), path);
  if (!found && found.error().code() == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kNotFound, path + ": no such file in " + image);
  }
  if (!found) return Failure(found.error());
  if (S_ISDIR(found->mode)) {
    return Fail(ErrorCode::kNotFound,
                path + ": is a directory; imgexport --path writes it as a tar");
  }
  if (!S_ISREG(found->mode)) {
    return Fail(ErrorCode::kNotFound, path + ": is no regular file");
  }
  for (uint64_t offset = 0; offset < found->size;) {
    if (cancel) return Fail(ErrorCode::kCancelled, "interrupted");
    const auto bytes = files.reader().View(found->ino, offset, kChunk);
    if (!bytes) return Failure(bytes.error().In(path));
    for (const auto piece : bytes->pieces) {
      out.write(reinterpret_cast<const char*>(piece.data()),
                static_cast<std::streamsize>(piece.size()));
    }
    if (!out) return {};  // which is told at the end
    offset += bytes->size;
  }
  return {};
}

Status Run(const Arguments& args, const ToolIo& io) {
  const InterruptScope interrupt;
  IMGMOUNT_TRY(const FetchConfig config,
               args.image_options.Config(io, interrupt.flag()));
  IMGMOUNT_TRY(const LayerSuffix name, ParseLayerSuffix(args.image));
  IMGMOUNT_TRY(const LocalImage image,
               OpenLocalImage(name, config, args.image_options.Progress(io)));
  IMGMOUNT_TRY(const auto tree, image.layers->Tree(image.layer_count));
  ImageSide files(image, *tree);
  return ForEach(
      args.paths,
      [&](const std::string& path) {
        return WriteFile(path, args.image, files, interrupt.flag(), io.out);
      },
      io, kTool);
}

}  // namespace

int ImgcatMain(std::vector<std::string> args, const ToolIo& io) {
  return RunTool(kTool, "Write files of an image to standard output.",
                 std::move(args), io, Declare, Run);
}

}  // namespace imgmount
