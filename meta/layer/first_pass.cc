// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/first_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "meta/layer/layer_decoder.h"
#include "meta/layer/piece.h"
#include "meta/tar/index_builder.h"
#include "meta/tar/tar_walk.h"

namespace imgmount {
namespace {

// Per pass at most 2 MiB of compressed bytes under way and 4 MiB of others.
constexpr size_t kBufferBytes = 256 << 10;
constexpr size_t kInputBuffers = 8;
constexpr size_t kOutputBuffers = 16;

// The bomb rule of first_pass.h. Deflate itself gives no more than 1032:1.
constexpr uint64_t kMinUncompressedLimit = 1 << 30;
constexpr uint64_t kMaxRatio = 1100;
bool StartsWith(std::span<const std::byte> bytes,
                std::span<const uint8_t> magic) {
  return bytes.size() >= magic.size() &&
         std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// A stage must never end early: others wait for what it takes.
template <typename Function>
Status Guarded(const Function& function) {
  try {
    return function();
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kInternal, e.what());
  }
}

class ThreadedPass : public FirstPass {
 public:
  explicit ThreadedPass(FirstPassOptions options, SpanWriter spans)
      : options_(std::move(options)),
        spans_(std::move(spans)),
        frames_(options_.folder / kFramesFile, spans_),
        output_(output_pool_, {&to_diff_, &to_tar_},
                [this] { return UncompressedLimit(); }),
        digest_hasher_(options_.digest ? options_.digest->algorithm()
                                       : DigestAlgorithm::kSha256),
        diff_hasher_(options_.diff_id ? options_.diff_id->algorithm()
                                      : DigestAlgorithm::kSha256),
        starts_(options_.wanted_starts) {
    threads_[0] = std::thread([this] { Hash(to_digest_, digest_hasher_); });
    threads_[1] = std::thread([this] { Decode(); });
    threads_[2] = std::thread([this] { Hash(to_diff_, diff_hasher_); });
    threads_[3] = std::thread([this] { Walk(); });
  }
  ~ThreadedPass() override {
    input_pool_.Stop();
    output_pool_.Stop();
    CloseInput();
    Join();
  }

  void Write(std::span<const std::byte> data) override;
  Result<FirstPassResult> Finish() override;

 private:
  void SendInput();
  void CloseInput();
  void Join();

  static void Hash(PieceQueue& queue, Hasher& hasher);
  void Decode();
  void Walk();

  uint64_t SizeSoFar() const {
    return std::max(options_.size.value_or(0), received_.load());
  }
  uint64_t UncompressedLimit() const {
    if (options_.max_uncompressed != 0) return options_.max_uncompressed;
    const uint64_t size = std::min(SizeSoFar(), UINT64_MAX / kMaxRatio);
    return std::max(kMinUncompressedLimit, kMaxRatio * size);
  }
  Result<FirstPassResult> Verify();

  const FirstPassOptions options_;
  SpanWriter spans_;
  FrameWriter frames_;

  BufferPool input_pool_{kInputBuffers, kBufferBytes};
  BufferPool output_pool_{kOutputBuffers, kBufferBytes};
  PieceQueue to_digest_;
  PieceQueue to_decoder_;
  PieceQueue to_diff_;
  PieceQueue to_tar_;
  TarOutput output_;

  Buffer input_;
  size_t input_used_ = 0;
  std::atomic<uint64_t> received_ = 0;

  // Written by their stages, read after Join().
  Hasher digest_hasher_;
  Hasher diff_hasher_;
  Status decoded_;
  MemberStarts starts_;
  Result<LayerIndex> walked_;

  std::array<std::thread, 4> threads_;
};

void ThreadedPass::Write(std::span<const std::byte> data) {
  while (!data.empty()) {
    if (!input_) {
      input_ = input_pool_.Take();
      input_used_ = 0;
    }
    const auto part = data.first(
        std::min(data.size(), input_pool_.buffer_bytes() - input_used_));
    std::memcpy(input_.get() + input_used_, part.data(), part.size());
    input_used_ += part.size();
    received_ += part.size();
    data = data.subspan(part.size());
    if (input_used_ == input_pool_.buffer_bytes()) SendInput();
  }
}

void ThreadedPass::SendInput() {
  if (input_ && input_used_ > 0) {
    const Piece piece = {input_, std::span(input_.get(), input_used_)};
    to_digest_.Push(piece);
    to_decoder_.Push(piece);
  }
  input_.reset();
}

void ThreadedPass::CloseInput() {
  SendInput();
  to_digest_.Close();
  to_decoder_.Close();
}

void ThreadedPass::Join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ThreadedPass::Hash(PieceQueue& queue, Hasher& hasher) {
  while (const auto piece = queue.Pop()) hasher.Update(piece->bytes);
}

void ThreadedPass::Decode() {
  decoded_ = Guarded([&]() -> Status {
    std::unique_ptr<LayerDecoder> decoder;
    while (const auto piece = to_decoder_.Pop()) {
      // The first piece is a whole buffer, if the blob has that many bytes.
      if (!decoder) {
        decoder = LayerDecoder::Make(DetectCompression(piece->bytes), output_,
                                     spans_, frames_, starts_);
      }
      IMGMOUNT_CHECK(decoder->Decode(*piece));
    }
    if (decoder) IMGMOUNT_CHECK(decoder->Finish());
    return spans_.Finish();
  });
  output_.Close();
  while (to_decoder_.Pop()) {
  }
}

void ThreadedPass::Walk() {
  std::optional<Piece> piece;
  const NextPiece next = [&]() -> std::span<const std::byte> {
    piece.reset();
    piece = to_tar_.Pop();
    return piece ? piece->bytes : std::span<const std::byte>();
  };
  const auto walked = Guarded([&]() -> Status {
    walked_ = WalkTar(next, [this] { return IndexMemoryLimit(SizeSoFar()); });
    return {};
  });
  if (!walked) walked_ = Failure(walked.error());
  while (!next().empty()) {
  }
}

Result<FirstPassResult> ThreadedPass::Finish() {
  CloseInput();
  Join();
  return Verify();
}

Result<FirstPassResult> ThreadedPass::Verify() {
  FirstPassResult result = {digest_hasher_.FinishDigest(),
                            diff_hasher_.FinishDiffId(),
                            received_,
                            output_.size(),
                            {},
                            std::move(starts_)};
  // Whether these are the right bytes comes before what is wrong in them.
  if (options_.size && *options_.size != result.compressed_size) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("wrong size: expected {} bytes, got {}",
                            *options_.size, result.compressed_size));
  }
  if (options_.digest && *options_.digest != result.digest) {
    return Fail(ErrorCode::kCorrupt,
                "wrong digest: the bytes have " + result.digest.text());
  }
  IMGMOUNT_CHECK(decoded_);
  if (options_.diff_id && *options_.diff_id != result.diff_id) {
    return Fail(ErrorCode::kCorrupt, "wrong diff ID: the image config says " +
                                         options_.diff_id->text() +
                                         ", the layer unpacks to " +
                                         result.diff_id.text());
  }
  IMGMOUNT_TRY(result.index, std::move(walked_));

  IMGMOUNT_CHECK(frames_.Commit());
  IMGMOUNT_CHECK(spans_.Commit());
  IMGMOUNT_CHECK(
      result.index.Save(options_.folder / kIndexFile, result.digest.text()));
  return result;
}

}  // namespace

Compression DetectCompression(std::span<const std::byte> first_bytes) {
  static constexpr uint8_t kGzip[] = {0x1f, 0x8b, 0x08};
  static constexpr uint8_t kZstd[] = {0x28, 0xb5, 0x2f, 0xfd};
  static constexpr uint8_t kZstdSkippable[] = {0x2a, 0x4d, 0x18};
  static constexpr uint8_t kBzip2[] = {'B', 'Z', 'h'};
  static constexpr uint8_t kXz[] = {0xfd, '7', 'z', 'X', 'Z', 0};
  if (StartsWith(first_bytes, kGzip)) return Compression::kGzip;
  if (StartsWith(first_bytes, kZstd)) return Compression::kZstd;
  if (first_bytes.size() >= 4 &&
      (first_bytes[0] & std::byte{0xf0}) == std::byte{0x50} &&
      StartsWith(first_bytes.subspan(1), kZstdSkippable)) {
    return Compression::kZstd;
  }
  if (StartsWith(first_bytes, kBzip2)) return Compression::kBzip2;
  if (StartsWith(first_bytes, kXz)) return Compression::kXz;
  return Compression::kNone;
}

Result<std::unique_ptr<FirstPass>> FirstPass::Start(FirstPassOptions options) {
  IMGMOUNT_CHECK(MakeDirectories(options.folder));
  IMGMOUNT_TRY(SpanWriter spans,
               SpanWriter::Create(options.folder / kSpansFile));
  return std::make_unique<ThreadedPass>(std::move(options), std::move(spans));
}

}  // namespace imgmount
