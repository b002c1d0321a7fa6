// SPDX-License-Identifier: Apache-2.0
// Completing a lazily read layer: once all its bytes are here they go through
// the first pass, as those of a pull do, and it becomes a layer like any other.
#ifndef IMGMOUNT_FETCH_LAZY_LAYER_COMPLETION_H_
#define IMGMOUNT_FETCH_LAZY_LAYER_COMPLETION_H_

#include <functional>
#include <optional>
#include <string>

#include "fetch/lazy/toc_layer.h"
#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/manifest.h"
#include "meta/partial/partial_blob.h"
#include "meta/store/cache.h"

namespace imgmount {

// REQUIRES: all pieces are here. Digest and diff ID are verified; bytes with
// another digest are discarded (kCorrupt) and can be fetched again. Somebody
// else may have completed it, or be at it: then nothing is done.
//
// Returns where `toc` says other than the layer's tar, if it does; from then on
// nobody uses that TOC.
Result<std::optional<std::string>> CompleteLayer(
    const Cache& cache, const Descriptor& layer, const DiffId& diff_id,
    const TocLayer* toc, PartialBlob& bytes,
    const std::function<bool()>& stopped);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_LAYER_COMPLETION_H_
