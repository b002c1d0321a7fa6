// SPDX-License-Identifier: Apache-2.0
// libFuzzer: no tree file, whatever its bytes, makes a reader crash or hang.
//
// Checksums are made right first, so that the fuzzer gets behind them. The
// input is a tree file, or, if its first byte is odd, changes to a good one:
// three bytes each, the offset and what to put there.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "meta/base/file.h"
#include "meta/union/tree_file.h"
#include "meta/union/tree_seal.h"

namespace imgmount {
namespace {

std::string MakeGoodFile() {
  LayerIndex layer;
  LayerEntry entry;
  const auto add = [&](EntryType type, std::string path, std::string target) {
    entry.type = type;
    entry.path = std::move(path);
    entry.link_target = std::move(target);
    entry.extents.clear();
    entry.size = 0;
    if (type == EntryType::kRegular) {
      entry.size = 5000;
      entry.extents = {{10, 20, 512}, {4000, 1000, 1024}};
    }
    if (!layer.Add(entry)) std::abort();
  };
  add(EntryType::kDirectory, "etc", "");
  add(EntryType::kRegular, "etc/sparse", "");
  entry.xattrs = {{"user.a", "1"}, {"user.b", "2"}};
  add(EntryType::kRegular, "etc/with-xattrs", "");
  add(EntryType::kHardLink, "link", "etc/sparse");
  add(EntryType::kSymlink, "sym", "etc/motd");
  add(EntryType::kDirectory, "etc/a/b/c", "");
  add(EntryType::kCharDevice, "null", "");
  const LayerIndex* layers[] = {&layer};
  const auto path = std::filesystem::temp_directory_path() /
                    ("union_fuzz." + std::to_string(::getpid()));
  if (!Merge(layers, path)) std::abort();
  const std::string bytes = *ReadFile(path, 1 << 20);
  std::filesystem::remove(path);
  return bytes;
}

void Use(const UnionTree& tree) {
  constexpr uint64_t kInodes = 256;
  constexpr uint64_t kEntries = 64;
  for (uint64_t i = 0; i <= std::min(tree.inode_count(), kInodes); ++i) {
    const Ino ino(i);
    (void)tree.Get(ino);
    (void)tree.SymlinkTarget(ino);
    (void)tree.Xattrs(ino);
    (void)tree.Extents(ino);
    (void)tree.Lookup(ino, "etc");
    const uint64_t count = tree.EntryCount(ino).value_or(0);
    for (uint64_t j = 0; j < std::min(count, kEntries); ++j) {
      const auto entry = tree.Entry(ino, j);
      if (entry) (void)tree.Lookup(ino, entry->name);
    }
  }
  (void)tree.Dump();
  (void)tree.VerifyAll();
}

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using imgmount::TreeFile;
  static const std::string good = imgmount::MakeGoodFile();
  std::string bytes;
  if (size != 0 && data[0] % 2 == 1) {
    bytes = good;
    for (size_t i = 1; i + 2 < size; i += 3) {
      const size_t offset = data[i] | data[i + 1] << 8;
      bytes[offset % bytes.size()] = static_cast<char>(data[i + 2]);
    }
  } else {
    bytes.assign(reinterpret_cast<const char*>(data), size);
  }
  (void)TreeFile::Open(std::as_bytes(std::span(bytes)));
  imgmount::testing::SealTree(bytes);
  const auto tree = TreeFile::Open(std::as_bytes(std::span(bytes)));
  if (tree) imgmount::Use(**tree);
  return 0;
}
