// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a layer of any compression. A pass that takes them
// leaves spans that give the same tar again.
//
// The first byte says in which steps they arrive.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/layer/first_pass.h"
#include "meta/layer/span_table.h"
#include "tests/support/bytes_blob.h"

namespace imgmount {
namespace {

void CheckSpans(const std::filesystem::path& folder,
                std::span<const std::byte> blob, const FirstPassResult& pass) {
  const auto spans = SpanTable::Open(folder / kSpansFile);
  if (!spans || (*spans)->size() != pass.uncompressed_size) std::abort();
  std::unique_ptr<BlobSource> frames;
  if ((*spans)->needs_frames()) {
    auto opened = OpenBlobFile(folder / kFramesFile);
    if (!opened) std::abort();
    frames = *std::move(opened);
  }
  testing::BytesBlob source(blob);
  Hasher hasher;
  for (size_t i = 0; i < (*spans)->span_count(); ++i) {
    std::vector<std::byte> out((*spans)->span(i).length);
    const auto decoder =
        SpanDecoder::Start(**spans, i, source, frames.get(), out);
    if (!decoder || !(*decoder)->DecodeTo(out.size())) std::abort();
    hasher.Update(out);
  }
  if (hasher.FinishDiffId() != pass.diff_id) std::abort();
}

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace imgmount;
  if (size == 0) return 0;
  static const auto folder = std::filesystem::temp_directory_path() /
                             ("first_pass_fuzz." + std::to_string(::getpid()));
  const size_t step = size_t{data[0]} * data[0] + 1;
  const auto blob = std::as_bytes(std::span(data, size)).subspan(1);
  auto pass = FirstPass::Start(
      {.max_uncompressed = uint64_t{32} << 20, .folder = folder});
  if (!pass) std::abort();
  for (size_t at = 0; at < blob.size(); at += step) {
    (*pass)->Write(blob.subspan(at, std::min(step, blob.size() - at)));
  }
  const auto result = (*pass)->Finish();
  if (result) CheckSpans(folder, blob, *result);
  std::filesystem::remove_all(folder);
  return 0;
}
