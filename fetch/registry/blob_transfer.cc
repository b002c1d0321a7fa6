// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/blob_transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/http/content_range.h"

namespace imgmount {

using Kind = TransportError::Kind;

std::vector<std::string> BlobTransfer::RequestHeaders() const {
  if (position_ == 0 || !use_range_) return {};
  return {fmt::format("Range: bytes={}-", position_)};
}

Attempt<void> BlobTransfer::CheckSize(const std::string& server,
                                      uint64_t size) const {
  if (size == blob_.size) return {};
  return FailAttempt(
      Error(ErrorCode::kCorrupt,
            fmt::format("{}: has {} bytes there, its descriptor says {}",
                        server, size, blob_.size)),
      Kind::kFinal);
}

Attempt<void> BlobTransfer::Begin(const HttpResponse& response) {
  const std::string& server = response.url.authority();
  if (response.status != 206) {
    skip_ = position_;
    const std::string* length = response.Find("content-length");
    const auto size = length == nullptr ? std::nullopt : ParseDecimal(*length);
    return size ? CheckSize(server, *size) : Attempt<void>();
  }
  const std::string* header = response.Find("content-range");
  const auto range =
      header == nullptr ? std::nullopt : ContentRange::Parse(*header);
  if (!range || range->first > position_) {
    use_range_ = false;
    return FailAttempt(
        Error(ErrorCode::kUnavailable,
              fmt::format("{}: sent another range than asked for", server)),
        Kind::kTransient);
  }
  skip_ = position_ - range->first;
  return range->total ? CheckSize(server, *range->total) : Attempt<void>();
}

Attempt<void> BlobTransfer::Write(std::span<const std::byte> bytes) {
  const auto skipped = std::min<uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  bytes = bytes.subspan(skipped);
  if (bytes.size() > blob_.size - position_) {
    return FailAttempt(
        Error(ErrorCode::kCorrupt,
              fmt::format("longer than the {} bytes its descriptor says",
                          blob_.size)),
        Kind::kFinal);
  }
  if (bytes.empty()) return {};
  if (auto written = sink_.Write(bytes); !written) {
    return FailAttempt(std::move(written).error(), Kind::kStop);
  }
  position_ += bytes.size();
  return {};
}

Attempt<void> BlobTransfer::CheckComplete(const std::string& server) const {
  if (done()) return {};
  return FailAttempt(
      Error(ErrorCode::kUnavailable,
            fmt::format("{}: the connection was closed early", server)),
      Kind::kTransient);
}

}  // namespace imgmount
