// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/oracles.h"

namespace imgmount::testing {
namespace {

namespace fs = std::filesystem;

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// `path` is `directory` or lies in it.
bool IsIn(std::string_view path, std::string_view directory) {
  return path == directory ||
         (path.starts_with(directory) && path[directory.size()] == '/');
}

bool IsMarker(const SpecEntry& entry) {
  return entry.kind == SpecKind::kWhiteout || entry.kind == SpecKind::kOpaque;
}

// Podman extracts a layer into an empty folder, by the order of its entries,
// and makes what is missing as directories.
bool PodmanCanLayer(const LayerSpec& layer,
                    const std::set<std::string>& below) {
  std::map<std::string, SpecKind> own;
  for (const SpecEntry& entry : layer.entries) {
    if (entry.path.empty()) return false;
    if (IsMarker(entry)) {
      const bool is_opaque = entry.kind == SpecKind::kOpaque;
      const std::string directory = is_opaque ? entry.path : Parent(entry.path);
      if (!directory.empty() && !below.contains(directory)) return false;
      // Another entry of the layer under the same name: order would matter.
      for (const SpecEntry& other : layer.entries) {
        if (&other == &entry) continue;
        if (IsIn(other.path, entry.path) && (!is_opaque || IsMarker(other))) {
          return false;
        }
        if (IsIn(entry.path, other.path) &&
            other.kind != SpecKind::kDirectory) {
          return false;
        }
      }
      continue;
    }
    for (std::string parent = Parent(entry.path); !parent.empty();
         parent = Parent(parent)) {
      const auto found = own.find(parent);
      if (found != own.end() && found->second != SpecKind::kDirectory) {
        return false;  // a symlink, which leads out of the layer's folder
      }
    }
    if (entry.kind == SpecKind::kHardLink) {
      const auto target = own.find(entry.target);
      if (target == own.end() || target->second == SpecKind::kDirectory) {
        return false;
      }
    }
    // It refuses a name that comes twice.
    if (std::any_of(own.begin(), own.end(), [&](const auto& other) {
          return other.first == entry.path ||
                 (entry.kind != SpecKind::kDirectory &&
                  IsIn(other.first, entry.path));
        })) {
      return false;
    }
    own[entry.path] = entry.kind;
  }
  return true;
}

}  // namespace

bool PodmanCan(std::span<const LayerSpec> layers) {
  std::set<std::string> below;  // directories that some layer surely has
  for (const LayerSpec& layer : layers) {
    if (!PodmanCanLayer(layer, below)) return false;
    for (const SpecEntry& entry : layer.entries) {
      if (entry.kind == SpecKind::kOpaque) {
        std::erase_if(below, [&](const std::string& path) {
          return path != entry.path && IsIn(path, entry.path);
        });
      } else if (entry.kind != SpecKind::kDirectory) {
        std::erase_if(below, [&](const std::string& path) {
          return IsIn(path, entry.path);
        });
      }
    }
    for (const SpecEntry& entry : layer.entries) {
      if (entry.kind == SpecKind::kDirectory) below.insert(entry.path);
    }
  }
  return true;
}

std::vector<LayerSpec> AsPodmanKeepsThem(std::span<const LayerSpec> layers) {
  std::vector<LayerSpec> kept(layers.begin(), layers.end());
  for (LayerSpec& layer : kept) {
    std::map<std::string, const SpecEntry*> own;
    for (SpecEntry& entry : layer.entries) {
      if (entry.mtime < 0) entry.mtime = 0;
      if (const auto target = own.find(entry.target);
          entry.kind == SpecKind::kHardLink && target != own.end()) {
        entry.mode = target->second->mode;
        entry.uid = target->second->uid;
        entry.gid = target->second->gid;
        entry.mtime = target->second->mtime;
        entry.mtime_nanoseconds = target->second->mtime_nanoseconds;
      }
      if (!IsMarker(entry)) own[entry.path] = &entry;
    }
  }
  return kept;
}

bool PodmanIsThere() {
  try {
    return Run({"podman", "--version"}).ok;
  } catch (const std::exception&) {
    return false;
  }
}

Facts PodmanFacts(const fs::path& layout, const fs::path& folder) {
  fs::create_directories(folder);
  const auto podman = [&](std::vector<std::string> words) {
    std::vector<std::string> command = {"podman",
                                        "--root",
                                        (folder / "root").native(),
                                        "--runroot",
                                        (folder / "run").native(),
                                        "--storage-driver",
                                        "overlay"};
    command.insert(command.end(), words.begin(), words.end());
    const Ran ran = Run(command, folder / "output");
    if (!ran.ok)
      throw std::runtime_error("podman " + words[0] + ": " + ran.errors);
    std::string line;
    std::ifstream output(folder / "output");
    std::getline(output, line);
    return line;
  };
  // Its storage is a mount of its own.
  struct Unmount {
    const fs::path storage;
    ~Unmount() { ::umount2(storage.c_str(), MNT_DETACH); }
  } storage{folder / "root/overlay"};
  // It makes the image's name out of the path, and names are in lower case.
  struct Link {
    const fs::path path = fs::temp_directory_path() /
                          ("imgmount-podman-" + std::to_string(::getpid()));
    ~Link() { ::unlink(path.c_str()); }
  } link;
  fs::create_directory_symlink(layout, link.path);
  const std::string id =
      podman({"pull", "--quiet", "oci:" + link.path.native() + ":test"});
  const std::string mounted = podman({"image", "mount", id});
  struct UnmountImage {
    const std::string& path;
    ~UnmountImage() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{mounted};
  return FactsOfFolder(mounted);
}

}  // namespace imgmount::testing
