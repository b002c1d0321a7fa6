// SPDX-License-Identifier: Apache-2.0
// Whether a TOC told the truth about its layer's tar.
#ifndef IMGMOUNT_META_TOC_TOC_COMPARE_H_
#define IMGMOUNT_META_TOC_TOC_COMPARE_H_

#include "meta/base/result.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

// The index that a TOC gave against that of a first pass over all of the layer.
// kCorrupt names the first entry of which they say different things. Both must
// have the same entries in the same order, as the order may decide what is
// shown. A time may be rounded to a second, as eStargz' are. Where contents lie
// is no part of it.
Status CompareTocWithTar(const LayerIndex& toc, const LayerIndex& tar);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_COMPARE_H_
