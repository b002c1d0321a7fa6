// SPDX-License-Identifier: Apache-2.0
// Whether a TOC told the truth about its layer, once all of the layer is here.
//
// Compares what the TOC gave with what a first pass over the layer gave:
// entries, then where their contents lie. Chunks were checked by their digests
// when they were read, so no content needs to be hashed for that. All errors
// are kCorrupt and name the first entry of which TOC and tar say different
// things.
#ifndef IMGMOUNT_META_TOC_TOC_COMPARE_H_
#define IMGMOUNT_META_TOC_TOC_COMPARE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "meta/base/result.h"
#include "meta/layer/blob_source.h"
#include "meta/layer/member_starts.h"
#include "meta/layer/span_cuts.h"
#include "meta/layer/span_table.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

// Both must have the same entries in the same order, as the order may decide
// what is shown. A time may be rounded to a second, as eStargz' are. Where
// contents lie is no part of it.
Status CompareTocWithTar(const LayerIndex& toc, const LayerIndex& tar);

// The FirstPassOptions::wanted_starts that CompareChunks() needs.
std::vector<uint64_t> StartsOf(const SpanTable& chunks);

// Whether each chunk gives the bytes that the tar has in its place. Returns the
// runs of the tar which the TOC has as holes: CheckZeros() is left to do for
// them. REQUIRES: CompareTocWithTar() found no difference.
Result<std::vector<TarRun>> CompareChunks(const LayerIndex& toc,
                                          const SpanTable& chunks,
                                          const LayerIndex& tar,
                                          const MemberStarts& starts);

// Whether these runs of the tar are zeros, by the layer's own span table.
// `frames` as for SpanDecoder::Start().
Status CheckZeros(std::span<const TarRun> runs, const SpanTable& spans,
                  BlobSource& blob, BlobSource* frames);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_COMPARE_H_
