// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/tree_lookup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

namespace imgmount {
namespace {

constexpr int kMaxLinks = 40;

// Puts the components of `path` on the stack, the first one on top.
void PushNames(std::string_view path, std::vector<std::string>& names) {
  while (!path.empty()) {
    const size_t slash = path.rfind('/');
    const size_t start = slash == std::string_view::npos ? 0 : slash + 1;
    if (start < path.size()) names.emplace_back(path.substr(start));
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
}

}  // namespace

Result<ResolvedPath> FollowPath(DiffTree& tree, std::string_view path) {
  const auto not_found = [path] {
    return Fail(ErrorCode::kNotFound, fmt::format("no such file: {}", path));
  };
  struct Step {
    Ino ino;
    size_t path_bytes;  // of `walked`
  };
  std::vector<std::string> names;
  PushNames(path, names);
  std::string walked;
  std::vector<Step> above = {{tree.root(), 0}};  // the way down; we are at last
  for (int links = 0; !names.empty();) {
    const std::string name = std::move(names.back());
    names.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      if (above.size() > 1) above.pop_back();
      continue;
    }
    IMGMOUNT_TRY(const Inode here, tree.Get(above.back().ino));
    if (!S_ISDIR(here.mode)) return not_found();
    IMGMOUNT_TRY(const auto children, tree.Children(here.ino));
    const auto child =
        std::lower_bound(children.begin(), children.end(), name,
                         [](const DirEntry& entry, const std::string& wanted) {
                           return entry.name < wanted;
                         });
    if (child == children.end() || child->name != name) return not_found();
    if (child->type != S_IFLNK) {
      walked.resize(above.back().path_bytes);
      if (!walked.empty()) walked.push_back('/');
      walked += name;
      above.push_back({child->ino, walked.size()});
      continue;
    }
    if (++links > kMaxLinks) return not_found();
    IMGMOUNT_TRY(const std::string target, tree.SymlinkTarget(child->ino));
    if (target.starts_with('/')) above.resize(1);
    PushNames(target, names);
  }
  walked.resize(above.back().path_bytes);
  IMGMOUNT_TRY(Inode inode, tree.Get(above.back().ino));
  return ResolvedPath{std::move(walked), inode};
}

Result<Inode> ResolveIn(DiffTree& tree, std::string_view path) {
  IMGMOUNT_TRY(const ResolvedPath resolved, FollowPath(tree, path));
  return resolved.inode;
}

Result<std::string> ReadWhole(DiffTree& tree, const Inode& file,
                              uint64_t limit) {
  if (file.size > limit) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} bytes are more than the {} that are read",
                            file.size, limit));
  }
  std::string bytes(file.size, '\0');
  IMGMOUNT_TRY(
      const size_t got,
      tree.Read(file.ino, 0, std::as_writable_bytes(std::span(bytes))));
  bytes.resize(got);
  return bytes;
}

}  // namespace imgmount
