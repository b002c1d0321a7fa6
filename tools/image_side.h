// SPDX-License-Identifier: Apache-2.0
// ImageSide: a tree of an image, ready to be compared and read.
#ifndef IMGMOUNT_TOOLS_IMAGE_SIDE_H_
#define IMGMOUNT_TOOLS_IMAGE_SIDE_H_

#include <memory>

#include "fs/read/tree_reader.h"
#include "meta/diff/diff_tree.h"
#include "tools/local_image.h"

namespace imgmount {

class ImageSide {
 public:
  // `tree` is one of the image's; both outlive the side.
  ImageSide(const LocalImage& image, const UnionTree& tree);

  DiffTree& tree() { return *side_; }
  TreeReader& reader() { return *reader_; }

 private:
  std::unique_ptr<TreeReader> reader_;
  std::unique_ptr<DiffTree> side_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMAGE_SIDE_H_
