// SPDX-License-Identifier: Apache-2.0
// ImageViews: the ways to look at an image: whole, as of a layer, a layer
// alone, or all of these in one mount.
//
// Trees other than the whole image's are made when they are asked for, and are
// scratch: they end with the process. Thread-safe.
#ifndef IMGMOUNT_FS_VIEW_IMAGE_VIEWS_H_
#define IMGMOUNT_FS_VIEW_IMAGE_VIEWS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/log.h"
#include "fs/read/tree_reader.h"
#include "fs/view/composed_fs.h"
#include "fs/view/image_fs.h"
#include "fs/view/provenance.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/layer_states.h"
#include "meta/image/image.h"
#include "meta/store/cache.h"
#include "meta/store/layer_provider.h"

namespace imgmount {

// A file system over a tree, with all that it needs.
class ImageView {
 public:
  ImageView(std::unique_ptr<UnionTree> tree, TreeReader::LayerOpener opener,
            TreeReaderOptions options);
  // The tree outlives the view.
  ImageView(const UnionTree& tree, TreeReader::LayerOpener opener,
            TreeReaderOptions options);

  // Once, before it is used.
  void Start(ImageFsOptions options, std::unique_ptr<Provenance> provenance);

  const FileSystem& fs() const { return *fs_; }
  const UnionTree& tree() const { return tree_; }

 private:
  const std::unique_ptr<UnionTree> owned_tree_;
  const UnionTree& tree_;
  const std::unique_ptr<TreeReader> reader_;
  std::unique_ptr<Provenance> provenance_;
  std::optional<ImageFs> fs_;
};

struct ViewOptions {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  bool provenance = false;
  std::shared_ptr<ReadBudget> budget;  // of all views
  Log log = {};
};

class ImageViews {
 public:
  // `layers` are the image's; what is kept about its trees is in `cache`.
  ImageViews(std::shared_ptr<const LayerProvider> layers, Image image,
             Cache cache, ViewOptions options);

  // The first `layers` layers merged. The tree stays in the cache, and with it
  // what programs read of it.
  Result<std::shared_ptr<const ImageView>> Rootfs(size_t layers);
  // The same, but only the whole image's tree stays.
  Result<std::shared_ptr<const ImageView>> AsOf(size_t layers);
  // One layer's own entries, with its whiteouts as character devices 0:0. What
  // it links to in lower layers is shown from there.
  Result<std::shared_ptr<const ImageView>> Alone(size_t layer);

  // Below `directory`, of the first `layers` layers: rootfs/, layers/00 …,
  // asof/00 …, config.json, manifest.json and `history` as history.txt. This
  // outlives `fs`.
  void AddAll(ComposedFs& fs, Ino directory, size_t layers,
              std::string history);
  // The first `layers` layers merged, as a part named `name`.
  void AddAsOf(ComposedFs& fs, Ino directory, std::string name, size_t layers);

  // The owner and the time of what is in no layer.
  ComposedFs::OwnAttributes OwnAttributes() const;

 private:
  Result<const UnionTree*> State(size_t layers);
  std::shared_ptr<const ImageView> Start(std::shared_ptr<ImageView> view,
                                         size_t last);

  const std::shared_ptr<const LayerProvider> provider_;
  const Image image_;
  const Cache cache_;
  const ViewOptions options_;
  const TreeReaderOptions reader_options_;  // of every view
  const std::vector<LayerInfo> layers_;
  Mutex mutex_;
  LayerStates states_ GUARDED_BY(mutex_);  // its trees are never dropped
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_VIEW_IMAGE_VIEWS_H_
