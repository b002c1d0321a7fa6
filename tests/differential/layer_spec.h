// SPDX-License-Identifier: Apache-2.0
// LayerSpec: what a test puts into one layer, from which its tar is made, and
// by which the oracles know what the tar says.
#ifndef IMGMOUNT_TESTS_DIFFERENTIAL_LAYER_SPEC_H_
#define IMGMOUNT_TESTS_DIFFERENTIAL_LAYER_SPEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace imgmount::testing {

enum class SpecKind {
  kFile,
  kDirectory,
  kSymlink,
  kHardLink,
  kCharDevice,
  kBlockDevice,
  kFifo,
  kWhiteout,  // of path
  kOpaque,    // the directory path
};

struct SpecEntry {
  SpecKind kind = SpecKind::kFile;
  std::string path;  // without slashes at the ends
  std::string target;
  std::string content;
  uint32_t mode = 0644;
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime = 0;
  uint32_t mtime_nanoseconds = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

struct LayerSpec {
  std::vector<SpecEntry> entries;

  SpecEntry& Add(SpecKind kind, std::string path, std::string text = "");
  std::string Tar() const;
  // For replaying by eye: a line per entry.
  std::string Describe() const;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_DIFFERENTIAL_LAYER_SPEC_H_
