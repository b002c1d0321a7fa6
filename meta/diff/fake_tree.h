// SPDX-License-Identifier: Apache-2.0
// A DiffTree made by hand, for tests: one call per path, parents first.
//
//   FakeTree().Dir("etc").File("etc/motd", "hello\n").With([](Inode& inode) {
//     inode.uid = 7;
//   })
#ifndef IMGMOUNT_META_DIFF_FAKE_TREE_H_
#define IMGMOUNT_META_DIFF_FAKE_TREE_H_

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "meta/diff/diff_tree.h"

namespace imgmount::testing {

class FakeTree : public DiffTree {
 public:
  FakeTree() { Add("", S_IFDIR | 0755); }

  FakeTree& Dir(const std::string& path) { return Add(path, S_IFDIR | 0755); }
  FakeTree& File(const std::string& path, std::string content) {
    Add(path, S_IFREG | 0644);
    nodes_.back().inode.size = content.size();
    nodes_.back().content = std::move(content);
    return *this;
  }
  FakeTree& Symlink(const std::string& path, std::string target) {
    Add(path, S_IFLNK | 0777);
    nodes_.back().content = std::move(target);
    return *this;
  }
  FakeTree& Device(const std::string& path, uint32_t major, uint32_t minor) {
    Add(path, S_IFCHR | 0644);
    nodes_.back().inode.device_major = major;
    nodes_.back().inode.device_minor = minor;
    return *this;
  }
  // A further name of a file that is there.
  FakeTree& Link(const std::string& path, const std::string& old) {
    const Ino ino = numbers_.at(old);
    Name(path, ino);
    ++node(ino).inode.nlink;
    return *this;
  }

  // About the path added last.
  template <typename Change>
  FakeTree& With(Change change) {
    change(nodes_.back().inode);
    return *this;
  }
  FakeTree& Xattr(std::string name, std::string value) {
    nodes_.back().inode.has_xattrs = true;
    nodes_.back().xattrs.push_back({std::move(name), std::move(value)});
    return *this;
  }
  FakeTree& From(std::string_view stream, uint64_t physical) {
    nodes_.back().source = {
        stream, 0, {{0, nodes_.back().inode.size, physical}}};
    return *this;
  }
  FakeTree& FailsToRead() {
    nodes_.back().unreadable = true;
    return *this;
  }

  // Files that were read, each once, in order.
  const std::vector<Ino>& files_read() const { return files_read_; }
  Ino at(const std::string& path) const { return numbers_.at(path); }

  Result<Inode> Get(Ino ino) override { return node(ino).inode; }
  Result<std::vector<DirEntry>> Children(Ino directory) override {
    std::vector<DirEntry> children;
    for (const auto& [name, ino] : node(directory).children) {
      children.push_back({name, ino, node(ino).inode.mode & S_IFMT});
    }
    return children;
  }
  Result<std::string> SymlinkTarget(Ino ino) override {
    return node(ino).content;
  }
  Result<std::vector<imgmount::Xattr>> Xattrs(Ino ino) override {
    return node(ino).xattrs;
  }
  Result<ContentSource> Source(Ino ino) override { return node(ino).source; }
  Result<size_t> Read(Ino ino, uint64_t offset,
                      std::span<std::byte> out) override {
    if (node(ino).unreadable) return Fail(ErrorCode::kCorrupt, "bad span");
    if (files_read_.empty() || files_read_.back() != ino) {
      files_read_.push_back(ino);
    }
    const std::string& content = node(ino).content;
    const size_t from = std::min<size_t>(offset, content.size());
    const size_t count = std::min(out.size(), content.size() - from);
    const auto bytes = std::as_bytes(std::span(content)).subspan(from, count);
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return count;
  }

 private:
  struct Node {
    Inode inode;
    std::string content;
    std::vector<imgmount::Xattr> xattrs;
    ContentSource source;
    bool unreadable = false;
    std::map<std::string, Ino> children;
  };

  Node& node(Ino ino) { return nodes_.at(ino.number() - 1); }

  FakeTree& Add(const std::string& path, uint32_t mode) {
    Node node;
    node.inode.ino = Ino(nodes_.size() + 1);
    node.inode.mode = mode;
    node.inode.nlink = 1;
    nodes_.push_back(std::move(node));
    Name(path, nodes_.back().inode.ino);
    return *this;
  }
  void Name(const std::string& path, Ino ino) {
    numbers_[path] = ino;
    if (path.empty()) return;
    const size_t slash = path.rfind('/');
    const bool top = slash == std::string::npos;
    const Ino parent = numbers_.at(top ? "" : path.substr(0, slash));
    node(parent).children[top ? path : path.substr(slash + 1)] = ino;
  }

  std::vector<Node> nodes_;
  std::map<std::string, Ino> numbers_;
  std::vector<Ino> files_read_;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_META_DIFF_FAKE_TREE_H_
