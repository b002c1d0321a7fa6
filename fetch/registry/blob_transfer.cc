// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/blob_transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/http/content_range.h"

namespace imgmount {

namespace {

using Kind = TransportError::Kind;

// One less than the attempts that are made in a row (retry.h), so that the last
// is for the whole blob.
constexpr int kMaxFruitlessRanges = 4;

// Whether it may be the range that the server does not like. Storage servers
// refuse in many ways: 416, 501, a signature that does not cover it (403), 400.
bool MayBlameRange(int status) {
  switch (status) {
    case 0:    // no answer
    case 401:  // these have reasons of their own
    case 404:
    case 407:
    case 408:
    case 429:
      return false;
    case 501:
      return true;
    default:
      return status < 500;
  }
}

}  // namespace

Attempt<void> BlobTransfer::Run(const Send& send) {
  const bool with_range = wants_range();
  const uint64_t before = position_;
  auto sent = SendOnce(send);
  if (sent || !with_range || position_ != before) {
    fruitless_ranges_ = 0;
    return sent;
  }
  if (MayBlameRange(sent.error().status)) {
    refused_at_ = position_;
    return SendOnce(send);
  }
  if (sent.error().kind == Kind::kTransient &&
      ++fruitless_ranges_ >= kMaxFruitlessRanges) {
    refused_at_ = position_;
  }
  return sent;
}

Attempt<void> BlobTransfer::SendOnce(const Send& send) {
  std::vector<std::string> headers;
  if (wants_range()) {
    headers.push_back(fmt::format("Range: bytes={}-", position_));
  }
  IMGMOUNT_ATTEMPT(const HttpResponse response, send(headers));
  if (done()) return {};
  return FailAttempt(Error(ErrorCode::kUnavailable,
                           fmt::format("{}: the connection was closed early",
                                       response.url.authority())),
                     Kind::kTransient);
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
    return tl::unexpected(TransportError{
        .error =
            Error(ErrorCode::kUnavailable,
                  fmt::format("{}: sent another range than asked for", server)),
        .kind = Kind::kTransient,
        .status = response.status});
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

}  // namespace imgmount
