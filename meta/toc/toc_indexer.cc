// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_indexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "meta/base/base64.h"
#include "meta/tar/entry_path.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::string_view kPrefetchLandmark = ".prefetch.landmark";
constexpr int64_t kModeBits = 07777;

constexpr std::pair<std::string_view, EntryType> kTypes[] = {
    {"reg", EntryType::kRegular},     {"dir", EntryType::kDirectory},
    {"symlink", EntryType::kSymlink}, {"hardlink", EntryType::kHardLink},
    {"char", EntryType::kCharDevice}, {"block", EntryType::kBlockDevice},
    {"fifo", EntryType::kFifo},
};

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, std::move(what));
}

Failure Unsupported(std::string what) {
  return Fail(ErrorCode::kUnsupported, std::move(what));
}

Result<EntryType> ParseType(std::string_view text) {
  for (const auto& [name, type] : kTypes) {
    if (name == text) return type;
  }
  return Unsupported("unknown type " + Quoted(text));
}

// JSON is UTF-8, names are any bytes: Go writes U+FFFD for what is none.
Status CheckText(std::string_view text) {
  if (text.find("\xef\xbf\xbd") == std::string_view::npos) return {};
  return Unsupported("a name that JSON cannot tell exactly: " + Quoted(text));
}

Result<uint64_t> NotNegative(std::string_view what, int64_t value) {
  if (value < 0) return Corrupt(fmt::format("{} is negative", what));
  return static_cast<uint64_t>(value);
}

Status SetXattrs(const TocEntry& from, LayerEntry& to) {
  for (const auto& [name, text] : from.xattrs) {
    IMGMOUNT_CHECK(CheckText(name));
    auto value = FromBase64(text);
    if (!value) return Corrupt("an xattr that is not in base64");
    to.xattrs.push_back({name, *std::move(value)});
  }
  return {};
}

// All but a file's content.
Result<LayerEntry> Attributes(const TocEntry& from) {
  LayerEntry to;
  IMGMOUNT_CHECK(CheckText(from.name));
  IMGMOUNT_TRY(to.path, NormalizeEntryPath(from.name));
  IMGMOUNT_TRY(to.type, ParseType(from.type));
  IMGMOUNT_TRY(const uint64_t mode, NotNegative("mode", from.mode));
  to.mode = mode & kModeBits;
  IMGMOUNT_TRY(to.uid, CheckOwnerId("uid", from.uid));
  IMGMOUNT_TRY(to.gid, CheckOwnerId("gid", from.gid));
  if (!from.modtime.empty()) {
    const auto time = ParseRfc3339(from.modtime);
    if (!time) {
      return Unsupported("a time that cannot be read: " + Quoted(from.modtime));
    }
    to.mtime = *time;
  }
  if (to.type == EntryType::kCharDevice || to.type == EntryType::kBlockDevice) {
    IMGMOUNT_TRY(const auto major, NotNegative("devMajor", from.dev_major));
    IMGMOUNT_TRY(const auto minor, NotNegative("devMinor", from.dev_minor));
    IMGMOUNT_CHECK(SetDevice(major, minor, to));
  }
  if (to.type == EntryType::kSymlink || to.type == EntryType::kHardLink) {
    IMGMOUNT_CHECK(CheckText(from.link_name));
    to.link_target = from.link_name;
  }
  IMGMOUNT_CHECK(SetXattrs(from, to));
  return to;
}

// The digest of a chunk, which may be said to be the whole file's.
Result<Sha256Digest> ChunkDigest(const std::string& chunk,
                                 const std::string& file) {
  if (!chunk.empty() && !file.empty() && chunk != file) {
    return Corrupt("its only chunk has another digest than itself");
  }
  const std::string& text = chunk.empty() ? file : chunk;
  if (text.empty()) return Unsupported("a chunk without a digest");
  IMGMOUNT_TRY(const Digest digest, Digest::Parse(text));
  if (digest.algorithm() != DigestAlgorithm::kSha256) {
    return Unsupported("a chunk's digest is not a SHA-256");
  }
  return Sha256Bytes(digest);
}

}  // namespace

Sha256Digest Sha256Bytes(const Digest& digest) {
  Sha256Digest bytes;
  const char* hex = digest.hex().data();
  for (std::byte& b : bytes) {
    uint8_t value = 0;
    std::from_chars(hex, hex + 2, value, 16);
    b = std::byte{value};
    hex += 2;
  }
  return bytes;
}

Status TocIndexer::Add(const TocEntry& entry) {
  auto added = AddEntry(entry);
  if (!added) {
    return Failure(std::move(added).error().In("table of contents: " +
                                               Quoted(entry.name)));
  }
  return {};
}

Status TocIndexer::AddEntry(const TocEntry& entry) {
  if (entry.type == "chunk") {
    if (!file_) return Corrupt("a chunk that belongs to no file");
    return AddChunk(entry);
  }
  if (file_) {
    return Corrupt(
        fmt::format("the chunks of {} end before it", Quoted(file_->path)));
  }
  IMGMOUNT_TRY(LayerEntry to, Attributes(entry));
  if (to.type != EntryType::kRegular) return AddToIndex(std::move(to));
  IMGMOUNT_TRY(to.size, NotNegative("size", entry.size));
  if (to.size == 0) return AddToIndex(std::move(to));
  if (entry.name.ends_with('/')) {
    return Corrupt("a file whose name ends in a slash");
  }
  IMGMOUNT_TRY(end_offset_, NotNegative("endOffset", entry.end_offset));
  file_ = std::move(to);
  file_digest_ = entry.digest;
  covered_ = 0;
  return AddChunk(entry);
}

Status TocIndexer::AddChunk(const TocEntry& entry) {
  IMGMOUNT_TRY(const auto at, NotNegative("chunkOffset", entry.chunk_offset));
  if (at != covered_) {
    return Corrupt(fmt::format("{} of its chunks at byte {}",
                               at < covered_ ? "an overlap" : "a gap",
                               std::min(at, covered_)));
  }
  const uint64_t rest = file_->size - covered_;
  IMGMOUNT_TRY(uint64_t length, NotNegative("chunkSize", entry.chunk_size));
  if (length == 0) length = rest;  // to the file's end
  if (length > rest) return Corrupt("a chunk that is larger than its file");
  if (entry.chunk_type.empty()) {
    IMGMOUNT_CHECK(AddData(entry, length));
  } else if (entry.chunk_type == "zeros") {
    // They are in the blob as well, and end what is before them.
    if (entry.offset != 0) IMGMOUNT_CHECK(PlaceChunk(entry, 0));
  } else {
    return Unsupported("unknown type of chunk " + Quoted(entry.chunk_type));
  }
  covered_ += length;
  return covered_ == file_->size ? EndFile() : Status();
}

Status TocIndexer::AddData(const TocEntry& entry, uint64_t length) {
  if (length > kMaxSpanBytes) {
    return Unsupported(fmt::format(
        "a chunk of {} bytes, more than can be checked at once ({})", length,
        kMaxSpanBytes));
  }
  TocChunk chunk;
  IMGMOUNT_TRY(chunk.sha256,
               ChunkDigest(entry.chunk_digest,
                           length == file_->size ? file_digest_ : ""));
  IMGMOUNT_CHECK(PlaceChunk(entry, length));
  chunk.length = length;
  chunk.in_offset = *member_;
  chunk.skip = static_cast<uint64_t>(entry.inner_offset);
  if (file_->path == kPrefetchLandmark) prefetch_end_ = chunk.in_offset;
  Append(chunk, covered_, *file_);
  return CheckMemory();
}

// Adds a chunk that gives byte `logical` of a file and what follows.
void TocIndexer::Append(TocChunk chunk, uint64_t logical, LayerEntry& file) {
  chunk.offset = size_;
  size_ += chunk.length;
  if (!file.extents.empty()) {
    Extent& last = file.extents.back();
    if (last.logical + last.length == logical &&
        last.physical + last.length == chunk.offset) {
      last.length += chunk.length;
      chunks_.push_back(chunk);
      return;
    }
  }
  file.extents.push_back({logical, chunk.length, chunk.offset});
  chunks_.push_back(chunk);
}

// A chunk begins at the place that the entry tells: chunks follow each other in
// the blob as they do in the TOC, so it also tells where others end.
Status TocIndexer::PlaceChunk(const TocEntry& entry, uint64_t length) {
  IMGMOUNT_TRY(const auto offset, NotNegative("offset", entry.offset));
  IMGMOUNT_TRY(const auto skip, NotNegative("innerOffset", entry.inner_offset));
  if (offset == 0 && skip == 0) return Corrupt("a chunk without its place");
  if (offset >= data_end_) return Corrupt("a chunk outside the layer");
  if (skip > kMaxSpanSkip) {
    return Unsupported("a chunk that lies too far into its gzip member");
  }
  if (offset == member_) {
    if (skip < member_done_) return Corrupt("chunks that overlap in the layer");
  } else {
    if (offset < next_member_) {
      return Corrupt("chunks that overlap in the layer");
    }
    EndMember(offset);
    member_ = offset;
    next_member_ = offset + 1;
  }
  member_done_ = skip + length;
  return {};
}

void TocIndexer::EndMember(uint64_t end) {
  for (; known_ < chunks_.size(); ++known_) {
    chunks_[known_].in_length = end - chunks_[known_].in_offset;
  }
  member_.reset();
  member_done_ = 0;
  next_member_ = end;
}

Status TocIndexer::EndFile() {
  if (end_offset_ != 0) {
    if (end_offset_ < next_member_ || end_offset_ > data_end_) {
      return Corrupt("a wrong end of its last chunk");
    }
    EndMember(end_offset_);
  }
  LayerEntry file = *std::move(file_);
  file_.reset();
  return AddToIndex(std::move(file));
}

Status TocIndexer::AddToIndex(LayerEntry entry) {
  IMGMOUNT_TRY(const bool is_marker, index_.AddMarker(entry.path));
  if (!is_marker) IMGMOUNT_CHECK(index_.Add(std::move(entry)));
  return CheckMemory();
}

Status TocIndexer::CheckMemory() const {
  // While the vector moves to where it has room to grow, it is there twice.
  if (index_.memory_bytes() + 2 * chunks_.size() * sizeof(TocChunk) <=
      memory_limit_) {
    return {};
  }
  return Unsupported(
      "its entries take far more memory than a layer of this size can need");
}

Result<Toc> TocIndexer::Finish() {
  if (file_) {
    return Corrupt(
        fmt::format("table of contents: the chunks of {} end before it",
                    Quoted(file_->path)));
  }
  EndMember(data_end_);
  return Toc{index_.Take(), std::move(chunks_), prefetch_end_};
}

Status TocIndexer::AddFile(LayerEntry file, std::span<const TocChunk> pieces) {
  EndMember(data_end_);
  file.extents.clear();
  uint64_t logical = 0;
  for (const TocChunk& piece : pieces) {
    Append(piece, logical, file);
    logical += piece.length;
  }
  known_ = chunks_.size();
  return AddToIndex(std::move(file));
}

}  // namespace imgmount
