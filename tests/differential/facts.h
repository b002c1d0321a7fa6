// SPDX-License-Identifier: Apache-2.0
// Facts: everything a user can see of a tree of files, path by path, whether
// it comes from a UnionTree, a mount or a folder that another tool unpacked.
#ifndef IMGMOUNT_TESTS_DIFFERENTIAL_FACTS_H_
#define IMGMOUNT_TESTS_DIFFERENTIAL_FACTS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "meta/union/union_tree.h"

namespace imgmount::testing {

struct Fact {
  std::string type;
  std::string mode_and_owner;
  int64_t mtime_seconds = 0;
  std::string mtime;
  // Size and hash of the content, target, device.
  std::string rest;
  std::string xattrs;
  std::string same;       // the first path of its hard-link group
  uint64_t nlink = 0;     // not of directories
  bool implicit = false;  // a directory that no layer lists
};
using Facts = std::map<std::string, Fact>;  // by path; the root is ""

// Contents are read from the layers' tars, where the tree says they are.
Facts FactsOfTree(const UnionTree& tree, std::span<const std::string> tars);
// By lstat, readlink, read and listxattr; overlayfs's own xattrs are left out.
Facts FactsOfFolder(const std::filesystem::path& folder);

struct Comparison {
  // For directories that no layer lists, only compare that they are there:
  // unpacking gives them the time of day, and mkdir's mode.
  bool relax_implicit = false;
  // overlayfs counts names that are hidden.
  bool ignore_nlink = false;
  // And of those that its own layer's entries do not list last: podman makes
  // them anew in every layer that has something in them.
  bool relax_unlisted = false;
  // The root directory is theirs.
  bool ignore_root = false;
  // A directory's mtime on their side that is later than this says only when
  // they last changed something in it.
  int64_t clock_from = INT64_MAX;
};

// One line per difference, at most twenty; empty if there is none.
std::vector<std::string> Compare(const Facts& ours, const Facts& theirs,
                                 const Comparison& how = {});

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_DIFFERENTIAL_FACTS_H_
