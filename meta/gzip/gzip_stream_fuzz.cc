// SPDX-License-Identifier: Apache-2.0
// Any bytes as gzip: the same result whatever the steps, and from any state
// saved on the way.
#include <algorithm>
#include <cstdlib>

#include "meta/gzip/gzip_stream.h"

namespace {

constexpr size_t kEnough = 1 << 20;

struct Decoded {
  std::string bytes;
  bool ok = false;
};

Decoded Decode(std::span<const std::byte> in, size_t in_step, size_t out_step,
               size_t save_at) {
  imgmount::GzipStream stream;
  Decoded result;
  std::string buffer(out_step, '\0');
  for (size_t step = 0; result.bytes.size() < kEnough; ++step) {
    auto piece = in.first(std::min(in_step, in.size()));
    const size_t before = piece.size();
    auto out = std::as_writable_bytes(std::span(buffer));
    if (!stream.Step(piece, out)) return result;
    in = in.subspan(before - piece.size());
    result.bytes.append(buffer, 0, buffer.size() - out.size());
    if (step == save_at && stream.in_data()) {
      imgmount::GzipStream other;
      std::string state = stream.SaveState();
      imgmount::GzipStream::PackState(state);
      if (!other.RestoreState(state)) std::abort();
      stream = std::move(other);
    }
    if (in.empty() && !out.empty()) {
      result.ok = stream.CheckEnd().has_value();
      return result;
    }
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const auto in = std::as_bytes(std::span(data, size)).subspan(3);
  const Decoded whole = Decode(in, in.size(), kEnough, SIZE_MAX);
  const Decoded parts =
      Decode(in, size_t{data[0]} + 1, size_t{data[1]} * 300 + 1, data[2]);
  if (whole.bytes.size() >= kEnough || parts.bytes.size() >= kEnough) return 0;
  if (whole.ok != parts.ok) std::abort();
  if (whole.ok && whole.bytes != parts.bytes) std::abort();
  return 0;
}
