// SPDX-License-Identifier: Apache-2.0
// ReadToc: a TOC's compressed bytes, as they arrive, to a verified Toc.
#ifndef IMGMOUNT_META_TOC_TOC_READER_H_
#define IMGMOUNT_META_TOC_TOC_READER_H_

#include <cstdint>

#include "meta/base/result.h"
#include "meta/tar/tar_walk.h"
#include "meta/toc/toc_indexer.h"
#include "meta/toc/toc_location.h"

namespace imgmount {

// More JSON than the entries of any index that fits into memory can take.
inline constexpr uint64_t kMaxTocJson = 1 << 30;

// `next` gives the bytes [where.offset, where.offset + where.length) of a
// layer, and may block until they are here; empty where they end. Nothing is
// returned before every digest has been found right; kCorrupt if one is wrong,
// whatever else is. kUnsupported: the layer can only be pulled as a whole.
//
// The result is what a walk of the layer's tar gives, with extents in the
// concatenation of the chunks' contents. The TOC of eStargz is a file of the
// tar itself, and of the result: podman and an eager mount show it as well.
Result<Toc> ReadToc(const TocDigests& digests, const TocLocation& where,
                    const NextPiece& next);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_READER_H_
