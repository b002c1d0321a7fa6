// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "meta/tar/tar_header.h"

namespace imgmount {
namespace {

constexpr size_t kBlock = 512;
// libarchive takes special headers of 1 MiB each; nothing real has several.
constexpr size_t kMaxHeaderBytes = 4 << 20;

}  // namespace

TarStream::TarStream(const NextPiece& next)
    : next_(next), archive_(archive_read_new()) {
  archive_read_support_format_tar(archive_.get());
  // No bidding: an empty stream is an empty tar, and damage is named.
  archive_read_set_format(archive_.get(), ARCHIVE_FORMAT_TAR);
  archive_read_open(archive_.get(), this, nullptr, &TarStream::Read, nullptr);
}

la_ssize_t TarStream::Read(archive*, void* self, const void** buffer) {
  return static_cast<TarStream*>(self)->ReadPiece(buffer);
}

la_ssize_t TarStream::ReadPiece(const void** buffer) {
  if (in_header_) {
    before_.append(reinterpret_cast<const char*>(piece_.data()), piece_.size());
    if (before_.size() > kMaxHeaderBytes) {
      header_too_large_ = true;
      archive_set_error(archive_.get(), EFBIG, "header of more than 4 MiB");
      return ARCHIVE_FATAL;
    }
  }
  piece_offset_ += piece_.size();
  piece_ = next_();
  if (piece_.empty() && !in_header_ && data_end_ <= piece_offset_) {
    static constexpr std::array<std::byte, kBlock> kZeros = {};
    piece_ =
        std::span(kZeros).first((kBlock - piece_offset_ % kBlock) % kBlock);
  }
  *buffer = piece_.data();
  return static_cast<la_ssize_t>(piece_.size());
}

Failure TarStream::Error(uint64_t at) const {
  const char* text = archive_error_string(archive_.get());
  std::string message = "damaged or truncated tar at byte ";
  message += std::to_string(at);
  if (text != nullptr) message.append(": ").append(text);
  return Fail(header_too_large_ ? ErrorCode::kUnsupported : ErrorCode::kCorrupt,
              std::move(message));
}

Result<archive_entry*> TarStream::Next() {
  // The data is skipped here, not by the next call, so that what passes by is
  // not kept as a header.
  if (has_entry_ && archive_read_data_skip(archive_.get()) < ARCHIVE_WARN) {
    return Error(position());
  }
  header_offset_ = position();
  // libarchive looks ahead: the header may start before the present piece.
  const uint64_t before_offset = piece_offset_ - before_.size();
  before_.erase(0, header_offset_ >= before_offset
                       ? std::min<uint64_t>(header_offset_ - before_offset,
                                            before_.size())
                       : 0);
  in_header_ = true;
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(archive_.get(), &entry);
  in_header_ = false;
  if (status == ARCHIVE_EOF) {
    IMGMOUNT_CHECK(CheckEnd());
    return nullptr;
  }
  // A warning is about the character set of a name, or about what
  // ParseTarHeader checks for itself.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
    if (IsAtEndAfterAll()) return nullptr;
    return Error(header_offset_);
  }
  has_entry_ = true;
  IMGMOUNT_CHECK(CollectHeader());
  return entry;
}

// libarchive and GNU tar end at the first block of zeros; Go's archive/tar, and
// so Docker, refuses a tar that goes on after it. Two blocks are an end.
Status TarStream::CheckEnd() const {
  const uint64_t left = piece_offset_ + piece_.size() - position();
  if (position() - header_offset_ == kBlock && left >= kBlock) {
    return Fail(ErrorCode::kCorrupt,
                "damaged tar: it goes on after the single block of zeros at "
                "byte " +
                    std::to_string(header_offset_));
  }
  return {};
}

// libarchive calls a tar damaged whose last header has no entry behind it. The
// stream is spent afterwards.
bool TarStream::IsAtEndAfterAll() {
  if (header_too_large_) return false;
  std::string rest = before_;
  rest.append(reinterpret_cast<const char*>(piece_.data()), piece_.size());
  const uint64_t rest_offset = piece_offset_ - before_.size();
  if (header_offset_ < rest_offset) return false;
  rest.erase(0, header_offset_ - rest_offset);
  // It stopped at the first block of zeros.
  for (const size_t enough = rest.size() + 2 * kBlock; rest.size() < enough;) {
    const auto more = next_();
    if (more.empty()) break;
    rest.append(reinterpret_cast<const char*>(more.data()), more.size());
  }
  return EndsAfterSpecialHeaders(rest);
}

Status TarStream::CollectHeader() {
  const uint64_t size = position() - header_offset_;
  const uint64_t before_offset = piece_offset_ - before_.size();
  const std::string_view piece(reinterpret_cast<const char*>(piece_.data()),
                               piece_.size());
  if (header_offset_ >= piece_offset_) {
    raw_header_ = piece.substr(header_offset_ - piece_offset_, size);
  } else if (header_offset_ >= before_offset) {
    joined_ = before_.substr(header_offset_ - before_offset, size);
    joined_ += piece.substr(0, size - joined_.size());
    raw_header_ = joined_;
  } else {
    raw_header_ = {};
  }
  if (raw_header_.size() != size) {
    return Fail(ErrorCode::kInternal, "lost the header of a tar entry");
  }
  return {};
}

}  // namespace imgmount
