// SPDX-License-Identifier: Apache-2.0
#include "tests/differential/layer_spec.h"

#include <fmt/format.h>

#include "meta/text/printable.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {

SpecEntry& LayerSpec::Add(SpecKind kind, std::string path, std::string text) {
  SpecEntry& entry = entries.emplace_back();
  entry.kind = kind;
  entry.path = std::move(path);
  if (kind == SpecKind::kFile) {
    entry.content = std::move(text);
  } else {
    entry.target = std::move(text);
  }
  if (kind == SpecKind::kDirectory) entry.mode = 0755;
  return entry;
}

std::string LayerSpec::Tar() const {
  TarBuilder tar;
  for (const SpecEntry& e : entries) {
    switch (e.kind) {
      case SpecKind::kFile:
        tar.File(e.path, e.content);
        break;
      case SpecKind::kDirectory:
        tar.Dir(e.path.empty() ? "./" : e.path + "/");
        break;
      case SpecKind::kSymlink:
        tar.Symlink(e.path, e.target);
        break;
      case SpecKind::kHardLink:
        tar.HardLink(e.path, e.target);
        break;
      case SpecKind::kCharDevice:
        tar.CharDevice(e.path, e.major, e.minor);
        break;
      case SpecKind::kBlockDevice:
        tar.BlockDevice(e.path, e.major, e.minor);
        break;
      case SpecKind::kFifo:
        tar.Fifo(e.path);
        break;
      case SpecKind::kWhiteout:
        tar.Whiteout(e.path);
        break;
      case SpecKind::kOpaque:
        tar.Opaque(e.path);
        break;
    }
    tar.Mode(e.mode).Owner(e.uid, e.gid).Mtime(e.mtime);
    if (e.mtime_nanoseconds != 0) {
      tar.Pax("mtime", fmt::format("{}.{:09}", e.mtime, e.mtime_nanoseconds));
    }
    for (const auto& [name, value] : e.xattrs) tar.Xattr(name, value);
  }
  return tar.Build();
}

std::string LayerSpec::Describe() const {
  static constexpr const char* kWords[] = {"file", "dir",      "symlink",
                                           "link", "char",     "block",
                                           "fifo", "whiteout", "opaque"};
  std::string out;
  for (const SpecEntry& e : entries) {
    out += fmt::format("  {} {}", kWords[static_cast<int>(e.kind)],
                       Quoted(e.path));
    if (!e.target.empty()) out += " -> " + Quoted(e.target);
    out += fmt::format(" {:o} {}:{} {}.{:09} {} bytes {} xattrs\n", e.mode,
                       e.uid, e.gid, e.mtime, e.mtime_nanoseconds,
                       e.content.size(), e.xattrs.size());
  }
  return out;
}

}  // namespace imgmount::testing
