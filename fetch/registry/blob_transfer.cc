// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/blob_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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

// "" for a body that comes as it is.
std::string CodingOf(const HttpResponse& response) {
  const std::string* header = response.Find("content-encoding");
  if (header == nullptr) return "";
  std::string coding = *header;
  std::transform(coding.begin(), coding.end(), coding.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return coding == "identity" ? "" : coding;
}

// Without being asked for several, some send multipart/byteranges all the same.
bool HasSeveralParts(const HttpResponse& response) {
  const std::string* type = response.Find("content-type");
  return type != nullptr && type->starts_with("multipart/");
}

// Whether a blob of that media type has the coding for its own; a server would
// hardly apply it once more.
bool IsPublishedIn(const std::string& coding, const std::string& media_type) {
  const std::string name = coding == "x-gzip" ? "gzip" : coding;
  return media_type.ends_with(name);
}

}  // namespace

Attempt<void> BlobTransfer::Run(const Send& send) {
  // Without the range, and with the coding undone.
  constexpr int kMaxWays = 3;
  Attempt<void> sent;
  for (int way = 0; way < kMaxWays; ++way) {
    const bool with_range = wants_range();
    const uint64_t before = position_;
    ask_anew_ = false;
    sent = SendOnce(send);
    if (sent || position_ != before) {
      fruitless_ranges_ = 0;
      return sent;
    }
    if (with_range && MayBlameRange(sent.error().status)) {
      refused_at_ = position_;
      ask_anew_ = true;
    }
    if (ask_anew_) continue;
    if (with_range && sent.error().kind == Kind::kTransient &&
        ++fruitless_ranges_ >= kMaxFruitlessRanges) {
      refused_at_ = position_;
    }
    break;
  }
  return sent;
}

Attempt<void> BlobTransfer::AskAnew(const HttpResponse& response,
                                    const std::string& why) {
  ask_anew_ = true;
  return FailAttempt(
      Error(ErrorCode::kUnavailable,
            fmt::format("{}: {}", response.url.authority(), why)),
      Kind::kTransient);
}

Attempt<void> BlobTransfer::SendOnce(const Send& send) {
  std::vector<std::string> headers;
  if (wants_range()) headers.push_back(RangeHeader());
  const auto response = send(headers, decode_);
  if (done() && (response || response.error().kind == Kind::kTransient)) {
    return {};
  }
  if (!response) return tl::unexpected(response.error());
  return FailAttempt(Error(ErrorCode::kUnavailable,
                           fmt::format("{}: the connection was closed early",
                                       response->url.authority())),
                     Kind::kTransient);
}

std::string BlobTransfer::RangeHeader() const {
  const std::string open = fmt::format("Range: bytes={}-", position_);
  return end_ == blob_.size ? open : open + std::to_string(end_ - 1);
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
  const std::string coding = CodingOf(response);
  if (response.status != 206) return BeginWhole(response, coding);
  const std::string* header = response.Find("content-range");
  const auto range =
      header == nullptr ? std::nullopt : ContentRange::Parse(*header);
  if (!range || range->first > position_ || range->last < position_ ||
      HasSeveralParts(response)) {
    refused_at_ = position_;
    return AskAnew(response, "sent another range than asked for");
  }
  if (!coding.empty() && range->total != blob_.size) {
    decode_ = true;
    return AskAnew(response, "encoded the blob, unasked");
  }
  if (range->total) {
    if (auto checked = CheckSize(server, *range->total); !checked) {
      return checked;
    }
  }
  return Expect(range->first, position_, range->last);
}

Attempt<void> BlobTransfer::BeginWhole(const HttpResponse& response,
                                       const std::string& coding) {
  const std::string* length = response.Find("content-length");
  const auto size = length == nullptr ? std::nullopt : ParseDecimal(*length);
  const bool as_published =
      size ? *size == blob_.size : IsPublishedIn(coding, blob_.media_type);
  if (coding.empty()) {
    decode_ = false;
    if (size && !as_published) {
      return CheckSize(response.url.authority(), *size);
    }
  } else if (!decode_ && !as_published) {
    decode_ = true;
    return AskAnew(response, "encoded the blob, unasked");
  }
  return Expect(0, range_sink_ == nullptr ? position_ : 0, blob_.size - 1);
}

Attempt<void> BlobTransfer::Expect(uint64_t first, uint64_t given,
                                   uint64_t last) {
  skip_ = given - first;
  next_ = given;
  answer_end_ = std::min(last, blob_.size - 1) + 1;
  if (range_sink_ == nullptr) return {};
  if (auto begun = range_sink_->Begin(given, answer_end_); !begun) {
    return FailAttempt(std::move(begun).error(), Kind::kStop);
  }
  return {};
}

Attempt<void> BlobTransfer::Write(std::span<const std::byte> bytes) {
  const auto skipped = std::min<uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  bytes = bytes.subspan(skipped);
  if (bytes.size() > answer_end_ - next_) {
    return FailAttempt(
        Error(ErrorCode::kCorrupt,
              answer_end_ == blob_.size
                  ? fmt::format("longer than the {} bytes its descriptor says",
                                blob_.size)
                  : "more bytes than its Content-Range says"),
        Kind::kFinal);
  }
  if (bytes.empty()) return {};
  if (auto written = sink_.Write(bytes); !written) {
    return FailAttempt(std::move(written).error(), Kind::kStop);
  }
  next_ += bytes.size();
  position_ = std::max(position_, std::min(next_, end_));
  return {};
}

}  // namespace imgmount
