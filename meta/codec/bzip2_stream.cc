// SPDX-License-Identifier: Apache-2.0
#include "meta/codec/bzip2_stream.h"

#include <algorithm>
#include <limits>
#include <new>

namespace imgmount {
namespace {

unsigned Clamp(size_t size) {
  return static_cast<unsigned>(
      std::min<size_t>(size, std::numeric_limits<int>::max()));
}

}  // namespace

Status Bzip2Stream::Step(std::span<const std::byte>& in,
                         std::span<std::byte>& out) {
  while (!out.empty()) {
    if (!stream_) {
      if (in.empty()) return {};
      auto fresh = std::make_unique<bz_stream>();
      if (BZ2_bzDecompressInit(fresh.get(), 0, 0) != BZ_OK) {
        throw std::bad_alloc();
      }
      stream_.reset(fresh.release());
    }
    // bzlib takes non-const input and does not write to it.
    auto* const next_in =
        reinterpret_cast<char*>(const_cast<std::byte*>(in.data()));
    auto* const next_out = reinterpret_cast<char*>(out.data());
    stream_->next_in = next_in;
    stream_->avail_in = Clamp(in.size());
    stream_->next_out = next_out;
    stream_->avail_out = Clamp(out.size());
    const int status = BZ2_bzDecompress(stream_.get());
    const auto used = static_cast<size_t>(stream_->next_in - next_in);
    const auto made = static_cast<size_t>(stream_->next_out - next_out);
    in = in.subspan(used);
    out = out.subspan(made);
    if (status == BZ_STREAM_END) {
      stream_.reset();
    } else if (status != BZ_OK) {
      return Fail(ErrorCode::kCorrupt, "damaged bzip2 data");
    } else if (used + made == 0) {
      return {};
    }
  }
  return {};
}

Status Bzip2Stream::CheckEnd() const {
  if (!stream_) return {};
  return Fail(ErrorCode::kCorrupt, "truncated bzip2 data");
}

}  // namespace imgmount
