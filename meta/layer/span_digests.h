// SPDX-License-Identifier: Apache-2.0
// Span digests: the SHA-256 of the compressed bytes of each span of a layer,
// noted while the whole blob is here and verified.
//
// With them a blob can go (imgcache evict) and come back in parts: what a span
// is decoded from is checked before it is decoded, whoever sent it.
#ifndef IMGMOUNT_META_LAYER_SPAN_DIGESTS_H_
#define IMGMOUNT_META_LAYER_SPAN_DIGESTS_H_

#include <filesystem>
#include <memory>
#include <string_view>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/layer/blob_source.h"
#include "meta/layer/span_table.h"

namespace imgmount {

// Its name, beside the span table.
inline constexpr char kSpanDigestsFile[] = "span-digests";

// Reads the blob once, verifies its digest (kCorrupt) and writes the file.
// REQUIRES: the table needs no frames.
Status WriteSpanDigests(const std::filesystem::path& path,
                        const SpanTable& spans, BlobSource& blob,
                        const Digest& layer);

// The table, with its spans checked by these digests. kCorrupt for anything but
// an intact file about `layer` and this table.
Result<std::unique_ptr<SpanTable>> WithSpanDigests(
    std::unique_ptr<SpanTable> spans, const std::filesystem::path& path,
    const Digest& layer);

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_SPAN_DIGESTS_H_
