// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/frame_writer.h"

#include <algorithm>

namespace imgmount {
namespace {
// The fastest that compresses well: this runs while a layer is downloaded.
constexpr int kLevel = 1;
}  // namespace

Status FrameWriter::Append(std::span<const std::byte> data) {
  while (!data.empty()) {
    const auto part =
        data.first(std::min<size_t>(data.size(), kSpanBytes - raw_.size()));
    raw_.insert(raw_.end(), part.begin(), part.end());
    data = data.subspan(part.size());
    if (raw_.size() == kSpanBytes) IMGMOUNT_CHECK(Flush());
  }
  return {};
}

Status FrameWriter::Flush() {
  if (raw_.empty()) return {};
  if (!file_) {
    IMGMOUNT_TRY(file_, AtomicFile::Create(path_));
    compressor_.reset(ZSTD_createCCtx());
  }
  packed_.resize(ZSTD_compressBound(raw_.size()));
  const size_t size =
      ZSTD_compressCCtx(compressor_.get(), packed_.data(), packed_.size(),
                        raw_.data(), raw_.size(), kLevel);
  if (ZSTD_isError(size) != 0) {
    return Fail(ErrorCode::kInternal, "cannot compress a frame");
  }
  IMGMOUNT_CHECK(file_->Write(std::span(packed_).first(size)));
  spans_.Begin(SpanKind::kZstdFrame, SpanFile::kFrames, end_);
  IMGMOUNT_CHECK(spans_.Append(raw_));
  end_ += size;
  spans_.End(end_);
  raw_.clear();
  return {};
}

Status FrameWriter::Commit() {
  if (!file_) return {};
  return file_->Commit();
}

}  // namespace imgmount
