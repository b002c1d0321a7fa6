// SPDX-License-Identifier: Apache-2.0
// OpenedLayer: everything needed to read one layer's uncompressed tar at
// random. Thread-safe, as its parts are.
#ifndef IMGMOUNT_META_LAYER_OPENED_LAYER_H_
#define IMGMOUNT_META_LAYER_OPENED_LAYER_H_

#include <functional>
#include <memory>
#include <string>

#include "meta/layer/blob_source.h"
#include "meta/layer/span_table.h"

namespace imgmount {

struct OpenedLayer {
  // Layers of one identity give the same bytes at the same place of their tar,
  // and something verified vouches for that: for a layer that went through a
  // first pass its digest, for a table of contents a hash of the two. Empty:
  // like no other.
  std::string identity = {};
  std::unique_ptr<BlobSource> blob;
  std::unique_ptr<BlobSource> frames;  // null unless the table needs it
  std::unique_ptr<SpanTable> spans;
  // For when what they give turns out to be damaged: whoever opens the layer
  // next makes its derived files anew, and notices if it is the blob. May be
  // null.
  std::function<void()> discard = nullptr;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_OPENED_LAYER_H_
