// SPDX-License-Identifier: Apache-2.0
// WalkTar: what a layer's tar says, entry by entry, by libarchive.
//
// v7, ustar, GNU and PAX; all of GNU's sparse forms; whiteouts by name.
// Anything that promises more than there is, or that cannot be shown, is an
// error: kCorrupt or kUnsupported, naming the entry.
#ifndef IMGMOUNT_META_TAR_TAR_WALK_H_
#define IMGMOUNT_META_TAR_TAR_WALK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "meta/base/result.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

// The next bytes of the tar, valid until the next call; empty at its end.
using NextPiece = std::function<std::span<const std::byte>()>;

// Stops at the tar's end marker or at an error; the caller reads what is left.
// `index_limit` is asked as the index grows: kUnsupported when it takes more
// memory than that.
Result<LayerIndex> WalkTar(const NextPiece& next,
                           const std::function<uint64_t()>& index_limit);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_TAR_WALK_H_
