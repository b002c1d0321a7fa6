// SPDX-License-Identifier: Apache-2.0
#include "fs/view/provenance.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>

namespace imgmount {
namespace {

constexpr std::string_view kPrefix = "user.imgmount.";
constexpr std::string_view kLayer = "user.imgmount.layer";
constexpr std::string_view kDigest = "user.imgmount.digest";
constexpr std::string_view kCreatedBy = "user.imgmount.created_by";
constexpr std::string_view kHiddenIn = "user.imgmount.hidden_in";

bool CanHaveUserXattrs(const Inode& inode) {
  return S_ISREG(inode.mode) || S_ISDIR(inode.mode);
}

}  // namespace

const LayerInfo* Provenance::LayerOf(const Inode& inode) const {
  return inode.layer < layers_.size() ? &layers_[inode.layer] : nullptr;
}

Result<std::optional<std::string>> Provenance::Value(
    const Inode& inode, std::string_view name) const {
  std::optional<std::string> value;
  if (!name.starts_with(kPrefix) || !CanHaveUserXattrs(inode)) return value;
  const LayerInfo* layer = LayerOf(inode);
  if (layer == nullptr) return value;
  if (name == kLayer) value = std::to_string(layer->number);
  if (name == kDigest) value = layer->digest.text();
  if (name == kCreatedBy && !layer->created_by.empty()) {
    value = layer->created_by;
  }
  if (name == kHiddenIn) {
    IMGMOUNT_TRY(const auto hidden_in, HiddenIn(inode));
    if (hidden_in) value = std::to_string(*hidden_in);
  }
  return value;
}

Result<std::vector<std::string>> Provenance::Names(const Inode& inode) const {
  std::vector<std::string> names;
  if (!CanHaveUserXattrs(inode)) return names;
  for (const std::string_view name : {kCreatedBy, kDigest, kHiddenIn, kLayer}) {
    IMGMOUNT_TRY(const auto value, Value(inode, name));
    if (value) names.emplace_back(name);
  }
  return names;
}

// A file is hidden where its last name is.
Result<std::optional<size_t>> Provenance::HiddenIn(const Inode& inode) const {
  std::optional<size_t> hidden_in;
  if (last_ + 1 >= layers_.size()) return hidden_in;
  IMGMOUNT_TRY(const std::vector<Link>* links, Links());
  auto link =
      std::lower_bound(links->begin(), links->end(), inode.ino,
                       [](const Link& x, Ino ino) { return x.ino < ino; });
  for (; link != links->end() && link->ino == inode.ino; ++link) {
    IMGMOUNT_TRY(const auto in, PathHiddenIn(inode, PathOf(*link, *links)));
    if (!in) return in;
    hidden_in = std::max(hidden_in, in);
  }
  return hidden_in;
}

Result<std::optional<size_t>> Provenance::PathHiddenIn(
    const Inode& inode, const std::string& path) const {
  for (size_t layer = last_ + 1; layer < layers_.size(); ++layer) {
    IMGMOUNT_TRY(const UnionTree* state, open_state_(layer + 1));
    IMGMOUNT_TRY(const bool is_there, IsStillThere(inode, *state, path));
    if (!is_there) return std::optional(layer);
  }
  return std::optional<size_t>();
}

Result<bool> Provenance::IsStillThere(const Inode& inode,
                                      const UnionTree& state,
                                      const std::string& path) const {
  const auto found = state.Resolve(path);
  if (!found) {
    if (found.error().code() == ErrorCode::kNotFound) return false;
    return Failure(found.error());
  }
  IMGMOUNT_TRY(const Inode above, state.Get(*found));
  // A directory that upper layers list again is merged, not hidden.
  if (S_ISDIR(inode.mode)) return S_ISDIR(above.mode);
  if (above.layer != inode.layer || above.size != inode.size ||
      (above.mode & S_IFMT) != (inode.mode & S_IFMT)) {
    return false;
  }
  if (!S_ISREG(inode.mode)) return true;
  IMGMOUNT_TRY(const auto here, tree_.Extents(inode.ino));
  IMGMOUNT_TRY(const auto there, state.Extents(above.ino));
  return here == there;
}

// The tree does not say what the names of an inode are: walks it, once.
Result<const std::vector<Provenance::Link>*> Provenance::Links() const {
  const MutexLock lock(mutex_);
  if (!links_.empty()) return &links_;
  std::vector<Link> links = {{kRootIno, kRootIno, ""}};
  for (size_t i = 0; i < links.size(); ++i) {
    const Ino directory = links[i].ino;
    IMGMOUNT_TRY(const Inode inode, tree_.Get(directory));
    if (!S_ISDIR(inode.mode)) continue;
    IMGMOUNT_TRY(const uint64_t count, tree_.EntryCount(directory));
    for (uint64_t j = 0; j < count; ++j) {
      IMGMOUNT_TRY(const DirEntry entry, tree_.Entry(directory, j));
      links.push_back({entry.ino, directory, entry.name});
    }
  }
  std::stable_sort(links.begin(), links.end(),
                   [](const Link& x, const Link& y) { return x.ino < y.ino; });
  links_ = std::move(links);
  return &links_;
}

std::string Provenance::PathOf(const Link& link,
                               const std::vector<Link>& links) {
  std::string path(link.name);
  for (Ino at = link.directory; at != kRootIno;) {
    const auto above =
        std::lower_bound(links.begin(), links.end(), at,
                         [](const Link& x, Ino ino) { return x.ino < ino; });
    path.insert(0, std::string(above->name) + '/');
    at = above->directory;
  }
  return path;
}

}  // namespace imgmount
