// SPDX-License-Identifier: Apache-2.0
// The textual form of a tree. One line per path, sorted by path bytewise; the
// root is "/". Fields are separated by one space; bytes other than visible
// ASCII, and the backslash, are written \xNN:
//
//   PATH TYPE MODE UID:GID MTIME LAYER [FIELD]...
//
//   TYPE   dir, file, link, char, block, fifo, socket
//   MODE   four or five octal digits
//   MTIME  seconds since the epoch, a dot, nine digits of nanoseconds
//   LAYER  position, bottom is 0; "-" for a directory that no layer lists
//
// and, where they apply, in this order:
//
//   size=BYTES        of a regular file
//   nlink=COUNT       of a directory, and of what has several names
//   same=PATH         of such: the first of its names
//   target=TARGET     of a symlink
//   device=MAJOR:MINOR
//   extent=LOGICAL+LENGTH  of a sparse file, each
//   NAME=VALUE        each extended attribute, in quotes: "user.k"="v"
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "meta/text/printable.h"
#include "meta/union/union_tree.h"

namespace imgmount {
namespace {

std::string_view TypeWord(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "dir";
    case S_IFLNK:
      return "link";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    default:
      return "socket";
  }
}

}  // namespace

Result<std::string> UnionTree::Dump() const {
  std::vector<std::pair<std::string, Ino>> paths = {{"", kRootIno}};
  std::vector<std::pair<std::string, Ino>> rest = {{"", kRootIno}};
  std::vector<bool> met(inode_count() + 1);
  met[kRootIno.number()] = true;
  while (!rest.empty()) {
    const auto [prefix, directory] = std::move(rest.back());
    rest.pop_back();
    IMGMOUNT_TRY(const uint64_t count, EntryCount(directory));
    for (uint64_t i = 0; i < count; ++i) {
      IMGMOUNT_TRY(const DirEntry entry, Entry(directory, i));
      std::string path = prefix + "/" + std::string(entry.name);
      if (entry.type == S_IFDIR) {
        // So that a walk ends, whatever the file says.
        if (met[entry.ino.number()]) {
          return Fail(ErrorCode::kCorrupt,
                      "damaged tree file: directory with several names");
        }
        met[entry.ino.number()] = true;
        rest.emplace_back(path, entry.ino);
      }
      paths.emplace_back(std::move(path), entry.ino);
    }
  }
  std::sort(paths.begin(), paths.end());
  paths[0].first = "/";

  std::map<Ino, std::string_view> first_names;
  std::string out;
  for (const auto& [path, ino] : paths) {
    IMGMOUNT_TRY(const Inode inode, Get(ino));
    const uint32_t type = inode.mode & S_IFMT;
    auto line = std::back_inserter(out);
    fmt::format_to(line, "{} {} {:04o} {}:{} {}.{:09} {}", EscapeBytes(path),
                   TypeWord(inode.mode), inode.mode & 07777, inode.uid,
                   inode.gid, inode.mtime.seconds, inode.mtime.nanoseconds,
                   inode.layer == kNoLayer ? "-" : std::to_string(inode.layer));
    if (type == S_IFREG) fmt::format_to(line, " size={}", inode.size);
    if (type == S_IFDIR || inode.nlink != 1) {
      fmt::format_to(line, " nlink={}", inode.nlink);
    }
    if (type != S_IFDIR && inode.nlink != 1) {
      const auto first = first_names.try_emplace(ino, path).first->second;
      fmt::format_to(line, " same={}", EscapeBytes(first));
    }
    if (type == S_IFLNK) {
      IMGMOUNT_TRY(const auto target, SymlinkTarget(ino));
      fmt::format_to(line, " target={}", EscapeBytes(target));
    }
    if (type == S_IFCHR || type == S_IFBLK) {
      fmt::format_to(line, " device={}:{}", inode.device_major,
                     inode.device_minor);
    }
    if (type == S_IFREG) {
      IMGMOUNT_TRY(const auto extents, Extents(ino));
      uint64_t covered = 0;
      for (const Extent& e : extents) covered += e.length;
      if (covered != inode.size) {
        for (const Extent& e : extents) {
          fmt::format_to(line, " extent={}+{}", e.logical, e.length);
        }
      }
    }
    IMGMOUNT_TRY(const auto xattrs, Xattrs(ino));
    for (const Xattr& x : xattrs) {
      fmt::format_to(line, " \"{}\"=\"{}\"", EscapeBytes(x.name),
                     EscapeBytes(x.value));
    }
    out += '\n';
  }
  return out;
}

}  // namespace imgmount
