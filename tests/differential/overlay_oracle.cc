// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/differential/oracles.h"

namespace imgmount::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarker = ".wh.";
constexpr char kOpaqueMarker[] = ".wh..wh..opq";

void Check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}

bool Lstat(const fs::path& path, struct stat& st) {
  return ::lstat(path.c_str(), &st) == 0;
}
bool Exists(const fs::path& path) {
  struct stat st;
  return Lstat(path, st);
}
bool IsDirectory(const fs::path& path) {
  struct stat st;
  return Lstat(path, st) && S_ISDIR(st.st_mode);
}
bool IsMarker(const fs::path& name) {
  return name.native().starts_with(kMarker);
}

bool IsMarkerKind(SpecKind kind) {
  return kind == SpecKind::kWhiteout || kind == SpecKind::kOpaque;
}

// A read-only overlay of folders, bottom first; unmounted at the end.
class OverlayMount {
 public:
  OverlayMount(const std::vector<fs::path>& lower, fs::path point)
      : point_(std::move(point)) {
    // The kernel wants two at least. Short names: options end at a page.
    fs::create_directories(point_);
    std::string list;
    for (auto it = lower.rbegin(); it != lower.rend(); ++it) {
      list += it->filename().native() + ":";
    }
    const fs::path base = point_.parent_path();
    fs::create_directories(base / "empty1");
    fs::create_directories(base / "empty2");
    const fs::path before = fs::current_path();
    fs::current_path(base);
    const int result = ::mount("overlay", point_.c_str(), "overlay", MS_RDONLY,
                               ("lowerdir=" + list + "empty1:empty2").c_str());
    fs::current_path(before);
    Check(result == 0, "mount overlay " + list);
  }
  ~OverlayMount() { ::umount2(point_.c_str(), MNT_DETACH); }
  OverlayMount(const OverlayMount&) = delete;
  OverlayMount& operator=(const OverlayMount&) = delete;

  const fs::path& path() const { return point_; }

 private:
  fs::path point_;
};

// One layer's folder, from its tar to what overlayfs wants.
class LayerFolder {
 public:
  LayerFolder(LayerSpec spec, fs::path folder,
              const std::vector<fs::path>& lower_folders, const fs::path& below)
      : folder_(std::move(folder)), lower_(lower_folders), below_(below) {
    for (const SpecEntry& e : spec.entries) {
      if (e.kind == SpecKind::kDirectory) listed_[e.path] = &e;
      if (e.kind == SpecKind::kWhiteout) whiteouts_.insert(e.path);
      if (e.kind == SpecKind::kOpaque) opaques_.insert(e.path);
    }
    fs::create_directories(folder_);
    BringLinkTargets(spec);
    Extract(spec);
    for (const fs::path& path : brought_) fs::remove(path);
    Prune("");
    Convert("");
    SetMetadata("");
  }

  bool has_opaque_root() const { return opaques_.contains(""); }

 private:
  // tar can only link to what is in the folder: brings in the files of lower
  // layers that the layer links to, under names of their own.
  void BringLinkTargets(LayerSpec& spec) {
    std::set<std::string> made;
    for (SpecEntry& e : spec.entries) {
      if (e.kind == SpecKind::kHardLink && !made.contains(e.target)) {
        const auto has = [&](const fs::path& f) {
          return Exists(f / e.target);
        };
        const auto found = std::find_if(lower_.rbegin(), lower_.rend(), has);
        if (found != lower_.rend()) {
          const std::string name = fmt::format(".brought{}", brought_.size());
          brought_.push_back(folder_ / name);
          Check(
              ::link((*found / e.target).c_str(), brought_.back().c_str()) == 0,
              "link " + e.target);
          e.target = name;
        }
      }
      if (!IsMarkerKind(e.kind)) made.insert(e.path);
    }
  }

  void Extract(const LayerSpec& spec) {
    const fs::path tar = folder_.native() + ".tar";
    std::ofstream(tar, std::ios::binary) << spec.Tar();
    // -P: without it, tar makes some symlinks last, and loses links to them.
    const Ran ran = Run({"tar", "-xpPf", tar.native(), "-C", folder_.native(),
                         "--xattrs", "--xattrs-include=*", "--same-owner",
                         "--numeric-owner", "--warning=no-timestamp"});
    if (!ran.ok) throw std::runtime_error("tar: " + ran.errors);
    fs::remove(tar);
  }

  // Whether this layer hides what lower ones have at `path`.
  bool Hides(const fs::path& path) const {
    for (fs::path p = path; !p.empty(); p = p.parent_path()) {
      if (whiteouts_.contains(p.native()) ||
          opaques_.contains(p.parent_path().native())) {
        return true;
      }
    }
    return false;
  }
  // Whether a directory of lower layers is to be seen at `path`, which goes
  // through no symlinks.
  bool IsBelow(const fs::path& path) const {
    fs::path walked = below_;
    for (const fs::path& name : path) {
      walked /= name;
      if (!IsDirectory(walked)) return false;
    }
    return !lower_.empty() && !Hides(path);
  }

  // Removes directories that only markers made; true if this is one.
  bool Prune(const fs::path& path) {
    bool only_markers = true;
    for (const fs::path& child : Children(path)) {
      if (IsMarker(child.filename())) continue;
      if (!IsDirectory(folder_ / child) || !Prune(child)) only_markers = false;
    }
    if (path.empty() || !only_markers || listed_.contains(path.native()) ||
        IsBelow(path)) {
      return false;
    }
    fs::remove_all(folder_ / path);
    return true;
  }

  void Convert(const fs::path& path) {
    for (const fs::path& child : Children(path)) {
      const std::string name = child.filename().native();
      const fs::path full = folder_ / child;
      if (!IsMarker(name)) {
        if (IsDirectory(full)) Convert(child);
        continue;
      }
      fs::remove(full);
      if (name == kOpaqueMarker) {
        MakeOpaque(path);
      } else if (!name.starts_with(".wh..wh.")) {
        const fs::path hidden = path / name.substr(kMarker.size());
        if (IsDirectory(folder_ / hidden)) {
          MakeOpaque(hidden);
        } else if (!Exists(folder_ / hidden) && IsBelow(path) &&
                   Exists(below_ / hidden) &&
                   !opaques_.contains(path.native())) {
          // (A whiteout of nothing would be listed where nothing is merged.)
          Check(::mknod((folder_ / hidden).c_str(), S_IFCHR, 0) == 0,
                "mknod " + hidden.native());
        }
      }
    }
  }

  void MakeOpaque(const fs::path& path) {
    Check(::lsetxattr((folder_ / path).c_str(), "trusted.overlay.opaque", "y",
                      1, 0) == 0,
          "setxattr " + path.native());
  }

  void SetMetadata(const fs::path& path) {
    for (const fs::path& child : Children(path)) {
      if (IsDirectory(folder_ / child)) SetMetadata(child);
    }
    const fs::path full = folder_ / path;
    struct stat st = {};
    st.st_mode = 0755;
    if (const auto it = listed_.find(path.native()); it != listed_.end()) {
      st.st_mode = it->second->mode;
      st.st_uid = it->second->uid;
      st.st_gid = it->second->gid;
      st.st_mtim = {it->second->mtime, it->second->mtime_nanoseconds};
      SetXattrs(full, it->second->xattrs);
    } else if (IsBelow(path)) {
      Check(Lstat(below_ / path, st), "lstat " + path.native());
      CopyXattrs(below_ / path, full);
    }
    Check(::lchown(full.c_str(), st.st_uid, st.st_gid) == 0, "chown");
    Check(::chmod(full.c_str(), st.st_mode & 07777) == 0, "chmod");
    const timespec times[] = {st.st_mtim, st.st_mtim};
    Check(::utimensat(AT_FDCWD, full.c_str(), times, 0) == 0, "utimensat");
  }

  // tar leaves those of an earlier entry for the same directory.
  static void SetXattrs(
      const fs::path& path,
      const std::vector<std::pair<std::string, std::string>>& xattrs) {
    for (const std::string& name : XattrNames(path)) {
      if (name.starts_with("trusted.overlay.")) continue;
      Check(::lremovexattr(path.c_str(), name.c_str()) == 0, "removexattr");
    }
    for (const auto& [name, value] : xattrs) {
      Check(::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(),
                        0) == 0,
            "setxattr " + name);
    }
  }

  static std::vector<std::string> XattrNames(const fs::path& path) {
    std::vector<char> text(64 << 10);
    const ssize_t length = ::llistxattr(path.c_str(), text.data(), text.size());
    Check(length >= 0, "listxattr");
    std::vector<std::string> names;
    for (const char* at = text.data(); at < text.data() + length;) {
      at += names.emplace_back(at).size() + 1;
    }
    return names;
  }

  static void CopyXattrs(const fs::path& from, const fs::path& to) {
    for (const std::string& name : XattrNames(from)) {
      std::string value(64 << 10, '\0');
      const ssize_t size =
          ::lgetxattr(from.c_str(), name.c_str(), value.data(), value.size());
      Check(size >= 0 && ::lsetxattr(to.c_str(), name.c_str(), value.data(),
                                     static_cast<size_t>(size), 0) == 0,
            "copy xattr " + name);
    }
  }

  std::vector<fs::path> Children(const fs::path& path) const {
    std::vector<fs::path> children;
    for (const auto& entry : fs::directory_iterator(folder_ / path)) {
      children.push_back(path / entry.path().filename());
    }
    return children;
  }

  const fs::path folder_;
  const std::vector<fs::path>& lower_;
  const fs::path below_;  // the lower layers, mounted
  std::map<std::string, const SpecEntry*> listed_;
  std::vector<fs::path> brought_;
  std::set<std::string> whiteouts_;
  std::set<std::string> opaques_;
};

}  // namespace

Facts OverlayFacts(std::span<const LayerSpec> layers, const fs::path& folder) {
  std::vector<fs::path> folders;
  fs::create_directories(folder);
  for (size_t i = 0; i < layers.size(); ++i) {
    const OverlayMount below(folders, folder / "below");
    const fs::path next = folder / fmt::format("l{}", i);
    const LayerFolder made(layers[i], next, folders, below.path());
    // The kernel does not look whether a layer's root is opaque.
    if (made.has_opaque_root()) folders.clear();
    folders.push_back(next);
  }
  const OverlayMount all(folders, folder / "all");
  return FactsOfFolder(all.path());
}

}  // namespace imgmount::testing
