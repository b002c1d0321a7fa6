// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/toc_layer.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "meta/base/file.h"
#include "meta/layer/first_pass.h"
#include "meta/toc/chunk_table.h"
#include "meta/toc/toc_reader.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

// Fetched with the footer in one request: a TOC of eStargz lies right before
// it, and most are smaller.
constexpr uint64_t kTailBytes = 256 << 10;
// Given to the TOC's reader at a time.
constexpr size_t kStep = 64 << 10;

Result<TocLocation> ReadFooter(BlobSource& blob) {
  const uint64_t size = blob.size();
  const uint64_t tail = std::min(size, kTailBytes);
  blob.WillNeed(size - tail, tail);
  std::vector<std::byte> footer(std::min<uint64_t>(size, kTocFooterBytes));
  IMGMOUNT_TRY(const size_t read, blob.Read(size - footer.size(), footer));
  return ParseTocFooter(std::span(footer).first(read), size);
}

}  // namespace

std::optional<TocLayer> TocLayer::Find(const Cache& cache,
                                       const Descriptor& layer) {
  auto claim = FindToc(layer);
  if (!claim || !*claim) return std::nullopt;
  const Digest identity = TocIdentity(layer.digest, (*claim)->digests);
  fs::path folder =
      cache.LayerFolder(layer.digest) / ("toc-" + std::string(identity.hex()));
  TocLayer found(**std::move(claim), identity, std::move(folder));
  if (!found.CheckTrusted()) return std::nullopt;
  return found;
}

bool TocLayer::IsIndexed() const {
  std::error_code ignored;
  return fs::exists(folder_ / kIndexFile, ignored) &&
         fs::exists(folder_ / kChunksFile, ignored);
}

Status TocLayer::MakeIndex(BlobSource& blob) const {
  TocLocation where;
  if (claim_.location) {
    where = *claim_.location;
  } else {
    IMGMOUNT_TRY(where, ReadFooter(blob));
  }
  blob.WillNeed(where.offset, where.length);
  std::vector<std::byte> buffer(kStep);
  uint64_t at = where.offset;
  const uint64_t end = where.offset + where.length;
  Status arrival;
  const auto next = [&]() -> std::span<const std::byte> {
    const size_t n = std::min<uint64_t>(buffer.size(), end - at);
    const auto read = blob.Read(at, std::span(buffer).first(n));
    if (!read) {
      arrival = Failure(read.error());
      return {};
    }
    at += *read;
    return std::span<const std::byte>(buffer).first(*read);
  };
  auto toc = ReadToc(claim_.digests, where, next);
  IMGMOUNT_CHECK(arrival);
  if (!toc) {
    if (toc.error().code() == ErrorCode::kCorrupt) {
      blob.Refetch(where.offset, where.length);
    }
    return Failure(std::move(toc).error());
  }
  IMGMOUNT_CHECK(MakeDirectories(folder_));
  IMGMOUNT_CHECK(WriteChunkTable(folder_ / kChunksFile, toc->chunks,
                                 where.encoding, identity_.text()));
  return toc->index.Save(folder_ / kIndexFile, identity_.text());
}

Status TocLayer::CheckTrusted() const {
  const auto why = WhyTocIsWrong(folder_);
  if (!why) return {};
  return Fail(ErrorCode::kCorrupt, *why);
}

Status TocLayer::MarkWrong(const std::string& why) const {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(folder_ / kWrongTocFile));
  IMGMOUNT_CHECK(file.Write(why + '\n'));
  return file.Commit();
}

Result<LayerIndex> TocLayer::LoadIndex() const {
  return LayerIndex::Load(folder_ / kIndexFile, identity_.text());
}

Result<std::unique_ptr<SpanTable>> TocLayer::OpenChunks() const {
  return OpenChunkTable(folder_ / kChunksFile, identity_.text());
}

}  // namespace imgmount
