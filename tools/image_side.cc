// SPDX-License-Identifier: Apache-2.0
#include "tools/image_side.h"

#include "meta/diff/union_side.h"

namespace imgmount {

ImageSide::ImageSide(const LocalImage& image, const UnionTree& tree)
    : reader_(TreeReader::Make(tree,
                               [layers = image.layers](LayerPosition layer) {
                                 return layers->Open(layer);
                               })),
      side_(MakeUnionSide(tree, image.image.config.diff_ids,
                          [reader = reader_.get()](Ino ino, uint64_t offset,
                                                   std::span<std::byte> out) {
                            return reader->Read(ino, offset, out);
                          })) {}

}  // namespace imgmount
