// SPDX-License-Identifier: Apache-2.0
#include "tests/differential/facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "meta/base/file.h"
#include "meta/base/xxh3.h"
#include "meta/text/printable.h"

namespace imgmount::testing {
namespace {

[[noreturn]] void Die(const std::string& what) {
  throw std::runtime_error(what);
}

template <typename T>
T Must(Result<T> result) {
  if (!result) Die(result.error().message());
  return *std::move(result);
}

std::string TypeWord(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "dir";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
  }
  return fmt::format("type {:o}", mode & S_IFMT);
}

std::string XattrText(std::vector<Xattr> xattrs) {
  std::sort(xattrs.begin(), xattrs.end());
  std::string text;
  for (const Xattr& x : xattrs) {
    text += fmt::format("{}={} ", EscapeBytes(x.name), EscapeBytes(x.value));
  }
  return text;
}

std::string ContentText(std::string_view content) {
  return fmt::format("{} bytes, hash {:016x}", content.size(),
                     XXH3_64bits(content.data(), content.size()));
}

Fact MakeFact(uint32_t mode, uint32_t uid, uint32_t gid, int64_t seconds,
              uint64_t nanoseconds) {
  Fact fact;
  fact.type = TypeWord(mode);
  fact.mode_and_owner = fmt::format("{:04o} {}:{}", mode & 07777, uid, gid);
  fact.mtime_seconds = seconds;
  fact.mtime = fmt::format("{}.{:09}", seconds, nanoseconds);
  return fact;
}

// Gives all paths of an inode the first of them.
template <typename Key>
class Groups {
 public:
  void Add(const Key& key, const std::string& path) {
    paths_[key].push_back(path);
  }
  void Mark(Facts& facts) {
    for (auto& [key, paths] : paths_) {
      const auto first = std::min_element(paths.begin(), paths.end());
      for (const std::string& path : paths) facts[path].same = *first;
    }
  }

 private:
  std::map<Key, std::vector<std::string>> paths_;
};

std::string TreeContent(const UnionTree& tree, const Inode& inode,
                        std::span<const std::string> tars) {
  std::string content(inode.size, '\0');
  for (const Extent& e : Must(tree.Extents(inode.ino))) {
    content.replace(e.logical, e.length,
                    tars[inode.layer].substr(e.physical, e.length));
  }
  return content;
}

std::vector<Xattr> FolderXattrs(const std::string& path) {
  std::vector<char> names(64 << 10);
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0) Die("llistxattr " + path);
  std::vector<Xattr> xattrs;
  for (ssize_t i = 0; i < length;) {
    const std::string name = names.data() + i;
    i += static_cast<ssize_t>(name.size()) + 1;
    if (name.starts_with("trusted.overlay.")) continue;
    std::string value(64 << 10, '\0');
    const ssize_t size =
        ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) Die("lgetxattr " + path + " " + name);
    value.resize(static_cast<size_t>(size));
    xattrs.push_back({name, value});
  }
  return xattrs;
}

}  // namespace

Facts FactsOfTree(const UnionTree& tree, std::span<const std::string> tars) {
  Facts facts;
  Groups<Ino> groups;
  std::vector<std::pair<std::string, Ino>> rest = {{"", kRootIno}};
  while (!rest.empty()) {
    const auto [path, ino] = std::move(rest.back());
    rest.pop_back();
    const Inode inode = Must(tree.Get(ino));
    Fact fact = MakeFact(inode.mode, inode.uid, inode.gid, inode.mtime.seconds,
                         inode.mtime.nanoseconds);
    fact.xattrs = XattrText(Must(tree.Xattrs(ino)));
    switch (inode.mode & S_IFMT) {
      case S_IFDIR:
        fact.implicit = inode.layer == kNoLayer;
        for (uint64_t i = 0; i < Must(tree.EntryCount(ino)); ++i) {
          const DirEntry entry = Must(tree.Entry(ino, i));
          rest.emplace_back(
              (path.empty() ? "" : path + "/") + std::string(entry.name),
              entry.ino);
        }
        break;
      case S_IFREG:
        fact.rest = ContentText(TreeContent(tree, inode, tars));
        break;
      case S_IFLNK:
        fact.rest = EscapeBytes(Must(tree.SymlinkTarget(ino)));
        break;
      case S_IFCHR:
      case S_IFBLK:
        fact.rest =
            fmt::format("{}:{}", inode.device_major, inode.device_minor);
        break;
    }
    if (fact.type != "dir") {
      fact.nlink = inode.nlink;
      groups.Add(ino, path);
    }
    if (!facts.emplace(path, std::move(fact)).second) Die("twice: " + path);
  }
  groups.Mark(facts);
  return facts;
}

Facts FactsOfFolder(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  Facts facts;
  Groups<std::pair<dev_t, ino_t>> groups;
  std::vector<std::string> rest = {""};
  while (!rest.empty()) {
    const std::string path = std::move(rest.back());
    rest.pop_back();
    const std::string full = (folder / path).native();
    struct stat st;
    if (::lstat(full.c_str(), &st) != 0) Die("lstat " + full);
    Fact fact = MakeFact(st.st_mode, st.st_uid, st.st_gid, st.st_mtim.tv_sec,
                         static_cast<uint64_t>(st.st_mtim.tv_nsec));
    fact.xattrs = XattrText(FolderXattrs(full));
    switch (st.st_mode & S_IFMT) {
      case S_IFDIR:
        for (const auto& child : fs::directory_iterator(full)) {
          rest.push_back((path.empty() ? "" : path + "/") +
                         child.path().filename().native());
        }
        break;
      case S_IFREG:
        fact.rest = ContentText(Must(ReadFile(full, size_t{1} << 30)));
        break;
      case S_IFLNK:
        fact.rest = EscapeBytes(fs::read_symlink(full).native());
        break;
      case S_IFCHR:
      case S_IFBLK:
        fact.rest = fmt::format("{}:{}", major(st.st_rdev), minor(st.st_rdev));
        break;
    }
    if (fact.type != "dir") {
      fact.nlink = st.st_nlink;
      groups.Add({st.st_dev, st.st_ino}, path);
    }
    facts.emplace(path, std::move(fact));
  }
  groups.Mark(facts);
  return facts;
}

std::vector<std::string> Compare(const Facts& ours, const Facts& theirs,
                                 const Comparison& how) {
  constexpr size_t kMost = 20;
  std::vector<std::string> differences;
  const auto note = [&](const std::string& path, std::string_view what,
                        const std::string& our, const std::string& their) {
    differences.push_back(fmt::format("{}: {}: ours \"{}\", theirs \"{}\"",
                                      Quoted(path), what, our, their));
  };
  for (const auto& [path, our] : ours) {
    if (differences.size() >= kMost) break;
    const auto found = theirs.find(path);
    if (found == theirs.end()) {
      note(path, "existence", our.type, "");
      continue;
    }
    const Fact& their = found->second;
    if (our.type != their.type) {
      note(path, "type", our.type, their.type);
      continue;
    }
    if (our.rest != their.rest) note(path, "content", our.rest, their.rest);
    if (our.same != their.same) note(path, "links", our.same, their.same);
    if (our.nlink != their.nlink && !how.ignore_nlink) {
      note(path, "nlink", std::to_string(our.nlink),
           std::to_string(their.nlink));
    }
    if (our.implicit && how.relax_implicit) continue;
    if (path.empty() && how.ignore_root) continue;
    if (our.type == "dir" && how.relax_unlisted &&
        their.mtime_seconds >= how.clock_from) {
      continue;
    }
    if (our.mode_and_owner != their.mode_and_owner) {
      note(path, "mode and owner", our.mode_and_owner, their.mode_and_owner);
    }
    if (our.xattrs != their.xattrs) {
      note(path, "xattrs", our.xattrs, their.xattrs);
    }
    if (our.type == "dir" && their.mtime_seconds >= how.clock_from) continue;
    if (our.mtime != their.mtime) note(path, "mtime", our.mtime, their.mtime);
  }
  for (const auto& [path, their] : theirs) {
    if (differences.size() >= kMost) break;
    if (!ours.contains(path)) note(path, "existence", "", their.type);
  }
  return differences;
}

}  // namespace imgmount::testing
