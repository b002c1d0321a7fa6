// SPDX-License-Identifier: Apache-2.0
// The chunk table's file: what a TOC says of its chunks, as a SpanTable.
//
// A derived file like a layer's index: checksummed, about one subject
// (TocIdentity), and made anew if anything about it is wrong.
#ifndef IMGMOUNT_META_TOC_CHUNK_TABLE_H_
#define IMGMOUNT_META_TOC_CHUNK_TABLE_H_

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "meta/base/result.h"
#include "meta/layer/span_table.h"
#include "meta/toc/toc_indexer.h"
#include "meta/toc/toc_location.h"

namespace imgmount {

// Its name, beside the index (kIndexFile) that the same TOC gave.
inline constexpr char kChunksFile[] = "chunks";

// Writes the file of the chunks of a TOC of this encoding.
Status WriteChunkTable(const std::filesystem::path& path,
                       std::span<const TocChunk> chunks, TocEncoding encoding,
                       std::string_view subject);

// kCorrupt for anything but an intact file about `subject`. The table's records
// stay in the mapped file, so many of them take no memory of the process.
Result<std::unique_ptr<SpanTable>> OpenChunkTable(
    const std::filesystem::path& path, std::string_view subject);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_CHUNK_TABLE_H_
