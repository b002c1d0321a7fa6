// SPDX-License-Identifier: Apache-2.0
// --exclude GLOB: which paths a comparison leaves out, with all below them.
//
// A pattern without a slash is matched against the name, as in `diff -x`; one
// with a slash against the whole path, where `*` also matches slashes, as in
// `find -path`. A leading slash may be given or not. Immutable.
#ifndef IMGMOUNT_META_DIFF_PATH_FILTER_H_
#define IMGMOUNT_META_DIFF_PATH_FILTER_H_

#include <string>
#include <vector>

namespace imgmount {

class PathFilter {
 public:
  PathFilter() = default;
  explicit PathFilter(const std::vector<std::string>& excluded);

  // Whether to look at paths at all; building them costs.
  bool wants_paths() const { return !paths_.empty(); }
  bool ExcludesName(const std::string& name) const;
  bool ExcludesPath(const std::string& path) const;  // "/etc/passwd"
  bool empty() const { return paths_.empty() && names_.empty(); }

 private:
  std::vector<std::string> names_;
  std::vector<std::string> paths_;  // with a leading slash
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_PATH_FILTER_H_
