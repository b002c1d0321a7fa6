// SPDX-License-Identifier: Apache-2.0
// Which layer a file is from, as xattrs of a mount:
//   user.imgmount.layer       its position, 0 is the bottom one
//   user.imgmount.digest      the layer's digest
//   user.imgmount.created_by  the layer's line of the history
//   user.imgmount.hidden_in   the layer that replaces or deletes it further up;
//                             not there for what the whole image shows
// The kernel gives user.* xattrs to regular files and directories only.
#ifndef IMGMOUNT_FS_VIEW_PROVENANCE_H_
#define IMGMOUNT_FS_VIEW_PROVENANCE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/view/image_fs.h"
#include "meta/base/mutex.h"
#include "meta/diff/layer_info.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class Provenance : public ExtraXattrs {
 public:
  // The image's first `layers` layers merged; lives as long as this.
  using StateOpener = std::function<Result<const UnionTree*>(size_t layers)>;

  // For a tree that shows nothing above layer `last` of an image that has
  // `layers`. Costs nothing until hidden_in is asked for.
  Provenance(const UnionTree& tree, std::vector<LayerInfo> layers, size_t last,
             StateOpener open_state)
      : tree_(tree),
        layers_(std::move(layers)),
        last_(last),
        open_state_(std::move(open_state)) {}

  Result<std::optional<std::string>> Value(
      const Inode& inode, std::string_view name) const override;
  Result<std::vector<std::string>> Names(const Inode& inode) const override;

 private:
  // A name of an inode.
  struct Link {
    Ino ino;
    Ino directory;
    std::string_view name;
  };

  const LayerInfo* LayerOf(const Inode& inode) const;
  Result<std::optional<size_t>> HiddenIn(const Inode& inode) const;
  // The layer that hides what has this path here.
  Result<std::optional<size_t>> PathHiddenIn(const Inode& inode,
                                             const std::string& path) const;
  Result<bool> IsStillThere(const Inode& inode, const UnionTree& state,
                            const std::string& path) const;
  // All names, by inode; they stay as they are.
  Result<const std::vector<Link>*> Links() const;
  static std::string PathOf(const Link& link, const std::vector<Link>& links);

  const UnionTree& tree_;
  const std::vector<LayerInfo> layers_;
  const size_t last_;
  const StateOpener open_state_;

  mutable Mutex mutex_;
  mutable std::vector<Link> links_ GUARDED_BY(mutex_);  // empty: not yet made
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_VIEW_PROVENANCE_H_
