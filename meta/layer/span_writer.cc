// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/span_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "meta/base/digest.h"
#include "meta/base/wire.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/gzip/isal_build.h"

namespace imgmount {
namespace {

// A higher one takes three times as long for a twentieth less.
constexpr int kStateLevel = 3;

std::string_view View(const auto& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof values[0]};
}

}  // namespace

SpanWriter::SpanWriter(AtomicFile file)
    : file_(std::move(file)),
      hash_(XXH3_createState()),
      compressor_(ZSTD_createCCtx()) {}

Result<SpanWriter> SpanWriter::Create(const std::filesystem::path& path) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  // Whoever can write this file can crash its reader (Open() checks).
  struct stat stat;
  if (::fstat(file.fd(), &stat) != 0 ||
      ::fchmod(file.fd(), stat.st_mode & 0755) != 0) {
    return FailErrno(path.string(), errno);
  }
  // The header comes last: its place is left out.
  if (::lseek(file.fd(), sizeof(SpansHeader), SEEK_SET) < 0) {
    return FailErrno(path.string(), errno);
  }
  return SpanWriter(std::move(file));
}

void SpanWriter::Begin(SpanKind kind, SpanFile file, uint64_t in_offset) {
  next_ = {};
  next_.offset = size_;
  next_.in_offset = in_offset;
  next_.first_block = blocks_.size();
  next_.kind = static_cast<uint16_t>(kind);
  next_.file = static_cast<uint16_t>(file);
}

Status SpanWriter::SetState(std::string state) {
  GzipStream::PackState(state);
  std::string packed(ZSTD_compressBound(state.size()), '\0');
  const size_t size =
      ZSTD_compressCCtx(compressor_.get(), packed.data(), packed.size(),
                        state.data(), state.size(), kStateLevel);
  if (ZSTD_isError(size) != 0) {
    return Fail(ErrorCode::kInternal, "cannot compress a decoder state");
  }
  packed.resize(size);
  return WriteState(packed);
}

Status SpanWriter::WriteState(std::string_view packed) {
  IMGMOUNT_CHECK(file_.Write(packed));
  next_.state_offset = end_;
  next_.state_length = static_cast<uint32_t>(packed.size());
  next_.state_sha256 = Sha256(std::as_bytes(std::span(packed)));
  end_ += packed.size();
  return {};
}

Status SpanWriter::Append(std::span<const std::byte> data) {
  next_.length += data.size();
  size_ += data.size();
  while (!data.empty()) {
    if (block_left_ == 0) {
      XXH3_64bits_reset(hash_.get());
      block_left_ = kBlockBytes;
    }
    const auto part = data.first(std::min<uint64_t>(data.size(), block_left_));
    XXH3_64bits_update(hash_.get(), part.data(), part.size());
    data = data.subspan(part.size());
    block_left_ -= part.size();
    if (block_left_ == 0) EndBlock();
  }
  return {};
}

void SpanWriter::EndBlock() {
  blocks_.push_back(XXH3_64bits_digest(hash_.get()));
  block_left_ = 0;
}

void SpanWriter::End(uint64_t in_end) {
  if (block_left_ > 0) EndBlock();
  next_.in_length = in_end - next_.in_offset;
  if (next_.length > 0) spans_.push_back(next_);
  next_ = {};
}

void SpanWriter::Split(uint64_t length, SpanKind kind, uint64_t in_offset) {
  const auto file = static_cast<SpanFile>(next_.file);
  next_.length -= length;
  next_.in_length = in_offset - next_.in_offset;
  spans_.push_back(next_);
  Begin(kind, file, in_offset);
  next_.offset -= length;
  next_.length = length;
  next_.first_block =
      spans_.back().first_block + BlockCount(spans_.back().length);
}

Status SpanWriter::Copy(const SpanTable& table, size_t i) {
  const Span span = table.span(i);
  Begin(span.kind, span.file, span.in_offset);
  if (span.state_length > 0) {
    IMGMOUNT_TRY(const auto packed, table.PackedState(i));
    IMGMOUNT_CHECK(WriteState(packed));
  }
  for (size_t b = 0; b < BlockCount(span.length); ++b) {
    blocks_.push_back(table.block_checksum(i, b));
  }
  next_.length = span.length;
  size_ += span.length;
  End(span.in_offset + span.in_length);
  return {};
}

Status SpanWriter::Finish() {
  SpansHeader header = {};
  header.magic = kSpansMagic;
  header.version = kSpansVersion;
  header.isal_build = IsalBuild();
  header.uncompressed_size = size_;
  header.table_offset = end_;
  header.span_count = spans_.size();
  header.block_count = blocks_.size();
  XXH3_64bits_reset(hash_.get());
  for (const std::string_view part : {View(spans_), View(blocks_)}) {
    IMGMOUNT_CHECK(file_.Write(part));
    XXH3_64bits_update(hash_.get(), part.data(), part.size());
  }
  header.table_checksum = XXH3_64bits_digest(hash_.get());
  header.header_checksum =
      XXH3_64bits(&header, offsetof(SpansHeader, header_checksum));
  std::string bytes;
  AppendWire(bytes, header);
  if (::lseek(file_.fd(), 0, SEEK_SET) < 0) {
    return FailErrno("spans", errno);
  }
  return file_.Write(bytes);
}

}  // namespace imgmount
