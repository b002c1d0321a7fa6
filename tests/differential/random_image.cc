// SPDX-License-Identifier: Apache-2.0
#include "tests/differential/random_image.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string_view>
#include <utility>

namespace imgmount::testing {
namespace {

// No oracle can take all that an image may hold:
// - overlayfs's layers are unpacked one by one by GNU tar, which does not
//   replace a directory that is not empty, nor follow links to lower layers;
// - umoci unpacks all into one folder, and so goes into lower symlinks, fails
//   at lower files, and at links to what was whited out before.
enum class Flavour { kBoth, kOverlay, kUmoci };

constexpr size_t kLongestName = 255;

using Kinds = std::map<std::string, SpecKind>;  // files, symlinks, directories

bool IsDirectory(SpecKind kind) { return kind == SpecKind::kDirectory; }

bool IsUnder(std::string_view path, std::string_view directory) {
  return directory.empty()
             ? !path.empty()
             : path.size() > directory.size() && path.starts_with(directory) &&
                   path[directory.size()] == '/';
}

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::vector<std::string> Ancestors(const std::string& path) {
  std::vector<std::string> ancestors;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    ancestors.push_back(path.substr(0, slash));
  }
  return ancestors;
}

void EraseUnder(Kinds& kinds, const std::string& directory) {
  std::erase_if(
      kinds, [&](const auto& item) { return IsUnder(item.first, directory); });
}

// Puts something there as unpacking would.
void Place(Kinds& kinds, const std::string& path, SpecKind kind) {
  for (const std::string& ancestor : Ancestors(path)) {
    kinds[ancestor] = SpecKind::kDirectory;
  }
  if (!IsDirectory(kind)) EraseUnder(kinds, path);
  kinds[path] = kind;
}

class Generator {
 public:
  Generator(uint64_t seed, std::string folder)
      : random_(seed), folder_(std::move(folder)) {}

  RandomImage Make() {
    RandomImage image;
    constexpr std::array kFlavours = {Flavour::kBoth, Flavour::kBoth,
                                      Flavour::kOverlay, Flavour::kUmoci};
    flavour_ = kFlavours[Below(kFlavours.size())];
    image.for_overlay = flavour_ != Flavour::kUmoci;
    image.for_umoci = flavour_ != Flavour::kOverlay;
    const size_t layers = 1 + Below(kMostRandomLayers);
    for (size_t k = 0; k < layers; ++k) image.layers.push_back(MakeLayer());
    return image;
  }

 private:
  size_t Below(size_t n) { return random_() % n; }
  bool OneIn(size_t n) { return Below(n) == 0; }
  template <typename Container>
  auto Pick(const Container& from) {
    return *std::next(from.begin(), static_cast<ptrdiff_t>(Below(from.size())));
  }

  LayerSpec MakeLayer() {
    layer_ = {};
    own_.clear();
    marked_.clear();
    hidden_.clear();
    placed_.clear();
    const size_t count = Below(OneIn(4) ? 40 : 12);
    for (size_t i = 0; i < count; ++i) {
      if (!below_.empty() && OneIn(4)) {
        AddMarker();
      } else if (OneIn(6)) {
        AddHardLink();
      } else {
        AddEntry();
      }
    }
    for (const auto& [path, opaque] : hidden_) {
      EraseUnder(below_, path);
      if (!opaque) below_.erase(path);
    }
    for (const auto& [path, kind] : placed_) Place(below_, path, kind);
    return std::move(layer_);
  }

  void AddEntry() {
    constexpr std::array kKinds = {
        SpecKind::kFile,      SpecKind::kFile,       SpecKind::kFile,
        SpecKind::kDirectory, SpecKind::kDirectory,  SpecKind::kSymlink,
        SpecKind::kSymlink,   SpecKind::kCharDevice, SpecKind::kBlockDevice,
        SpecKind::kFifo};
    const SpecKind kind = kKinds[Below(kKinds.size())];
    std::string path = SomePath();
    std::string written = path;
    if (flavour_ == Flavour::kUmoci && OneIn(6)) {
      ThroughSymlink(path, written);
    }
    if (!CanPlace(path, kind)) return;
    SpecEntry& entry = layer_.Add(kind, InFolder(written));
    switch (kind) {
      case SpecKind::kFile:
        entry.content = Content();
        break;
      case SpecKind::kSymlink:
        entry.target = SymlinkTarget(path);
        targets_[path] = entry.target;
        break;
      case SpecKind::kCharDevice:
      case SpecKind::kBlockDevice:
        entry.major = 1 + static_cast<uint32_t>(Below(300));
        entry.minor = static_cast<uint32_t>(Below(100'000));
        break;
      default:
        break;
    }
    AddMetadata(entry);
    Remember(path, kind);
  }

  // Another way to write a path: through a symlink that this layer made.
  void ThroughSymlink(std::string& path, std::string& written) {
    for (const auto& [link, kind] : own_) {
      const auto target = targets_.find(link);
      if (kind != SpecKind::kSymlink || target == targets_.end()) continue;
      // Only links to names beside them, to keep this model simple.
      if (target->second.find('/') != std::string::npos ||
          target->second.size() > kLongestName) {
        continue;
      }
      const std::string name = Name();
      const std::string parent = Parent(link);
      const std::string led =
          parent.empty() ? target->second : parent + "/" + target->second;
      const auto is_directory = [&](const Kinds& kinds) {
        const auto found = kinds.find(led);
        return found == kinds.end() || IsDirectory(found->second);
      };
      if (led == link || !is_directory(own_) || !is_directory(below_)) continue;
      path = led + "/" + name;
      written = link + "/" + name;
      return;
    }
  }

  void AddHardLink() {
    const Kinds& from = OneIn(2) ? own_ : below_;
    if (from.empty()) return;
    const auto [target, kind] = Pick(from);
    const std::string path = SomePath();
    if (IsDirectory(kind) || target == path || IsUnder(target, path) ||
        IsUnder(path, target) || !CanPlace(path, SpecKind::kFile)) {
      return;
    }
    if (&from == &below_) {
      // The lower file must be what has the name at this point.
      if (own_.contains(target)) return;
      for (const std::string& ancestor : Ancestors(target)) {
        const auto own = own_.find(ancestor);
        if (own != own_.end() && !IsDirectory(own->second)) return;
      }
      if (flavour_ != Flavour::kOverlay && IsHidden(target)) return;
    }
    SpecEntry& link =
        layer_.Add(SpecKind::kHardLink, InFolder(path), InFolder(target));
    AddMetadata(link);
    link.xattrs.clear();
    targets_.erase(path);
    Remember(path, kind);
  }

  void AddMarker() {
    std::string path = OneIn(5) ? SomePath() : Pick(below_).first;
    const bool opaque = OneIn(3);
    if (path.empty() && !opaque) return;
    std::vector<std::string> walked = Ancestors(path);
    if (opaque) walked.push_back(path);
    for (const std::string& directory : walked) {
      if (directory.empty()) continue;
      const auto own = own_.find(directory);
      if (own != own_.end() && !IsDirectory(own->second)) return;
      const auto below = below_.find(directory);
      if (flavour_ != Flavour::kOverlay && below != below_.end() &&
          !IsDirectory(below->second)) {
        return;
      }
    }
    layer_.Add(opaque ? SpecKind::kOpaque : SpecKind::kWhiteout,
               InFolder(path));
    hidden_.emplace_back(path, opaque);
    marked_.insert(walked.begin(), walked.end());
  }

  bool IsHidden(const std::string& path) const {
    if (std::any_of(placed_.begin(), placed_.end(), [&](const auto& placed) {
          return IsUnder(path, placed.first) && !IsDirectory(placed.second);
        })) {
      return true;
    }
    return std::any_of(hidden_.begin(), hidden_.end(), [&](const auto& hidden) {
      return IsUnder(path, hidden.first) ||
             (!hidden.second && path == hidden.first);
    });
  }

  bool CanPlace(const std::string& path, SpecKind kind) const {
    if (path.empty()) return IsDirectory(kind);
    for (const std::string& ancestor : Ancestors(path)) {
      const auto own = own_.find(ancestor);
      if (own != own_.end()) {
        if (!IsDirectory(own->second)) return false;
        continue;
      }
      const auto below = below_.find(ancestor);
      if (flavour_ != Flavour::kOverlay && below != below_.end() &&
          !IsDirectory(below->second)) {
        return false;
      }
    }
    const auto own = own_.find(path);
    if (flavour_ != Flavour::kUmoci) {
      if (!IsDirectory(kind) &&
          (marked_.contains(path) ||
           (own != own_.end() && IsDirectory(own->second)))) {
        return false;
      }
      if (IsDirectory(kind) && own != own_.end() && !IsDirectory(own->second)) {
        return false;
      }
    }
    return true;
  }

  void Remember(const std::string& path, SpecKind kind) {
    const SpecKind kept = IsDirectory(kind) || kind == SpecKind::kSymlink
                              ? kind
                              : SpecKind::kFile;
    if (!path.empty()) {
      Place(own_, path, kept);
      placed_.emplace_back(path, kept);
    }
  }

  void AddMetadata(SpecEntry& entry) {
    entry.mode = static_cast<uint32_t>(Below(OneIn(4) ? 010000 : 01000));
    entry.uid = static_cast<uint32_t>(Below(OneIn(8) ? 4'000'000'000 : 2000));
    entry.gid = static_cast<uint32_t>(Below(2000));
    entry.mtime = OneIn(10) ? -static_cast<int64_t>(Below(1'000'000))
                            : static_cast<int64_t>(Below(1'500'000'000));
    if (entry.mtime >= 0 && OneIn(3)) {
      entry.mtime_nanoseconds = static_cast<uint32_t>(Below(1'000'000'000));
    }
    if (entry.kind != SpecKind::kFile && entry.kind != SpecKind::kDirectory) {
      return;
    }
    // Not empty ones: Go's tar reads such a PAX record as none.
    if (OneIn(8)) entry.xattrs.emplace_back("user.some", Bytes(1 + Below(40)));
    if (OneIn(12)) entry.xattrs.emplace_back("trusted.t", Bytes(1 + Below(9)));
    if (entry.kind == SpecKind::kFile && OneIn(12)) {
      // vfs_cap_data, revision 2: cap_net_raw, effective.
      entry.xattrs.emplace_back(
          "security.capability",
          std::string("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
    }
  }

  std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }

  std::string Content() {
    if (OneIn(5)) return "";
    return Bytes(1 + Below(OneIn(20) ? 100'000 : 1500));
  }

  // Few names, so that they meet.
  std::string Name() {
    static const std::array<std::string, 12> kNames = {
        "a",         "b",         "c",        "d",
        "e f",       ".h",        "\xff\xfe", "\xc3\xbc",
        "new\nline", "u\xcc\x88", "w.wh.",    std::string(200, 'n')};
    return kNames[Below(OneIn(3) ? kNames.size() : 4)];
  }

  std::string SomePath() {
    if (OneIn(40)) return "";
    if (!below_.empty() && OneIn(3)) return Pick(below_).first;
    std::string path = Name();
    while (OneIn(2)) path += "/" + Name();
    return path;
  }

  std::string SymlinkTarget(const std::string& path) {
    switch (Below(5)) {
      case 0:
        return "/" + InFolder(SomePath());
      case 1:
        return Parent(path).empty() ? "no/such" : "../" + Name();
      case 2:
        return std::string(1 + Below(3000), 't');
      default:
        return Name();
    }
  }

  std::string InFolder(const std::string& path) const {
    if (folder_.empty()) return path;
    return path.empty() ? folder_ : folder_ + "/" + path;
  }

  std::mt19937_64 random_;
  const std::string folder_;
  Flavour flavour_ = Flavour::kBoth;
  // Paths here are inside folder_.
  Kinds below_;                                 // what lower layers show
  std::map<std::string, std::string> targets_;  // of symlinks
  // The layer being made:
  LayerSpec layer_;
  Kinds own_;
  std::set<std::string> marked_;  // directories that hold markers
  std::vector<std::pair<std::string, bool>> hidden_;  // path, only children
  std::vector<std::pair<std::string, SpecKind>> placed_;
};

}  // namespace

RandomImage MakeRandomImage(uint64_t seed, const std::string& folder) {
  return Generator(seed, folder).Make();
}

}  // namespace imgmount::testing
