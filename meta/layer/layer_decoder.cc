// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/layer_decoder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "meta/codec/bzip2_stream.h"
#include "meta/codec/xz_stream.h"
#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/gzip/sparse_window.h"
#include "meta/layer/program_start.h"

namespace imgmount {
namespace {

class StoredLayer : public LayerDecoder {
 public:
  StoredLayer(TarOutput& output, SpanWriter& spans)
      : output_(output), spans_(spans) {
    spans_.Begin(SpanKind::kStored, SpanFile::kBlob, 0);
  }

  Status Decode(const Piece& piece) override {
    auto bytes = piece.bytes;
    while (!bytes.empty()) {
      const auto part = bytes.first(
          std::min<size_t>(bytes.size(), kSpanBytes - spans_.span_length()));
      IMGMOUNT_CHECK(spans_.Append(part));
      bytes = bytes.subspan(part.size());
      if (spans_.span_length() == kSpanBytes) {
        spans_.End(spans_.size());
        spans_.Begin(SpanKind::kStored, SpanFile::kBlob, spans_.size());
      }
    }
    return output_.Pass(piece);
  }
  Status Finish() override {
    spans_.End(spans_.size());
    return {};
  }

 private:
  TarOutput& output_;
  SpanWriter& spans_;
};

// A span may end every kStretchBytes. A checkpoint is taken there as long as it
// is not known yet what follows; it becomes the start of a span where a program
// begins right after it, or where the span before it is long enough.
class GzipLayer : public LayerDecoder {
 public:
  GzipLayer(TarOutput& output, SpanWriter& spans, MemberStarts& starts)
      : output_(output), spans_(spans), starts_(starts) {
    spans_.Begin(SpanKind::kGzipStart, SpanFile::kBlob, 0);
  }

  Status Decode(const Piece& piece) override {
    auto in = piece.bytes;
    while (true) {
      if (stream_.at_member()) starts_.Note(in_offset_, output_.size());
      IMGMOUNT_TRY(auto room, output_.Room());
      room = room.first(std::min<size_t>(room.size(), StepBytes()));
      auto out = room;
      const auto before = in;
      IMGMOUNT_CHECK(stream_.Step(in, out));
      const auto used = before.first(before.size() - in.size());
      const auto made = room.first(room.size() - out.size());
      in_offset_ += used.size();
      if (checkpoint_) checkpoint_->Watch(used, made, spans_.size());
      IMGMOUNT_CHECK(spans_.Append(made));
      IMGMOUNT_CHECK(output_.Commit(made.size()));
      IMGMOUNT_CHECK(Cut());
      // With room left, the decoder has nothing more to give.
      if (in.empty() && !out.empty()) return {};
    }
  }
  Status Finish() override {
    spans_.End(in_offset_);
    return stream_.CheckEnd();
  }

 private:
  static constexpr uint64_t kStretchBytes = 128 << 10;
  static constexpr uint64_t kMinSpanBytes = kSpanBytes / 2;
  static_assert(kStretchBytes % kBlockBytes == 0);
  static_assert(kStretchBytes >= kWindowBytes);

  struct Checkpoint {
    uint64_t length;  // of the span up to here
    uint64_t in_offset;
    std::string state;
    bool watching = true;             // it shows what of its window is needed
    std::vector<std::byte> in = {};   // since then, while watching
    std::vector<std::byte> out = {};  // likewise
    bool at_program = false;          // one starts soon after it

    void Watch(std::span<const std::byte> used, std::span<const std::byte> made,
               uint64_t offset) {
      at_program = at_program || HoldsProgramStart(made, offset);
      if (!watching) return;
      in.insert(in.end(), used.begin(), used.end());
      out.insert(out.end(), made.begin(), made.end());
      watching = out.size() < kWindowBytes && in.size() <= kMaxWatched;
    }
    // Much input that gives nothing is no real layer's, and is not kept.
    static constexpr size_t kMaxWatched = 2 * kWindowBytes;
  };

  // How far to decode before something is to be done.
  uint64_t StepBytes() const {
    if (checkpoint_ && checkpoint_->watching) {
      return kWindowBytes - checkpoint_->out.size();
    }
    return kStretchBytes - spans_.span_length() % kStretchBytes;
  }

  Status Cut() {
    const uint64_t length = spans_.span_length();
    // A member's start is a checkpoint for free: taken early, it saves a state.
    if (stream_.at_member() && length >= kMinSpanBytes) {
      checkpoint_.reset();
      spans_.End(in_offset_);
      spans_.Begin(SpanKind::kGzipStart, SpanFile::kBlob, in_offset_);
      return {};
    }
    if (length % kStretchBytes != 0) return {};
    if (checkpoint_ && length > checkpoint_->length) {
      if (checkpoint_->at_program || checkpoint_->length >= kSpanBytes) {
        IMGMOUNT_CHECK(StartSpanAtCheckpoint());
      }
      checkpoint_.reset();
    }
    if (!checkpoint_ && stream_.in_data() &&
        spans_.span_length() >= kMinSpanBytes) {
      checkpoint_.emplace(Checkpoint{.length = spans_.span_length(),
                                     .in_offset = in_offset_,
                                     .state = stream_.SaveState()});
    }
    return {};
  }

  Status StartSpanAtCheckpoint() {
    Checkpoint& c = *checkpoint_;
    if (c.in.size() <= Checkpoint::kMaxWatched) {
      DropUnusedWindow(c.state, c.in, c.out);
    }
    spans_.Split(spans_.span_length() - c.length, SpanKind::kIsalState,
                 c.in_offset);
    return spans_.SetState(std::move(c.state));
  }

  TarOutput& output_;
  SpanWriter& spans_;
  MemberStarts& starts_;
  GzipStream stream_;
  uint64_t in_offset_ = 0;
  std::optional<Checkpoint> checkpoint_;
};

// Whole frames become spans where they are; consecutive small ones share one.
// A frame too large for a span is re-encoded. Which of both it is shows only
// when its decoded bytes have outgrown a span, so these are kept until then.
class ZstdLayer : public LayerDecoder {
 public:
  ZstdLayer(TarOutput& output, SpanWriter& spans, FrameWriter& frames,
            MemberStarts& starts)
      : output_(output), spans_(spans), frames_(frames), starts_(starts) {}

  Status Decode(const Piece& piece) override {
    auto in = piece.bytes;
    while (true) {
      if (stream_.at_frame()) starts_.Note(in_offset_, output_.size());
      IMGMOUNT_TRY(const auto room, output_.Room());
      auto out = room;
      const size_t before = in.size();
      IMGMOUNT_CHECK(stream_.Step(in, out));
      in_offset_ += before - in.size();
      const size_t made = room.size() - out.size();
      IMGMOUNT_CHECK(Keep(room.first(made)));
      IMGMOUNT_CHECK(output_.Commit(made));
      if (stream_.at_frame()) IMGMOUNT_CHECK(EndFrame());
      if (in.empty() && !out.empty()) return {};
    }
  }
  Status Finish() override {
    IMGMOUNT_CHECK(stream_.CheckEnd());
    return EmitDirect(kept_.size(), in_offset_);
  }

 private:
  Status Keep(std::span<const std::byte> data) {
    if (!reencoding_ && kept_.size() + data.size() > kMaxSpanBytes) {
      IMGMOUNT_CHECK(EmitDirect(frame_start_, frame_in_));
      if (kept_.size() + data.size() > kMaxSpanBytes) {
        reencoding_ = true;
        IMGMOUNT_CHECK(frames_.Append(kept_));
        kept_.clear();
      }
    }
    if (reencoding_) return frames_.Append(data);
    kept_.insert(kept_.end(), data.begin(), data.end());
    return {};
  }

  Status EndFrame() {
    if (reencoding_) {
      IMGMOUNT_CHECK(frames_.Flush());
      reencoding_ = false;
      span_in_ = in_offset_;
    } else if (kept_.size() >= kSpanBytes) {
      IMGMOUNT_CHECK(EmitDirect(kept_.size(), in_offset_));
    }
    frame_start_ = kept_.size();
    frame_in_ = in_offset_;
    return {};
  }

  // The first `size` kept bytes are those of whole frames that end at `in_end`.
  Status EmitDirect(size_t size, uint64_t in_end) {
    spans_.Begin(SpanKind::kZstdFrame, SpanFile::kBlob, span_in_);
    IMGMOUNT_CHECK(spans_.Append(std::span(kept_).first(size)));
    spans_.End(in_end);
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(size));
    frame_start_ = 0;
    span_in_ = in_end;
    return {};
  }

  TarOutput& output_;
  SpanWriter& spans_;
  FrameWriter& frames_;
  MemberStarts& starts_;
  ZstdStream stream_;
  uint64_t in_offset_ = 0;
  std::vector<std::byte> kept_;  // decoded, and in no span yet
  uint64_t span_in_ = 0;         // where the first kept frame starts
  size_t frame_start_ = 0;       // of the present frame, in kept_
  uint64_t frame_in_ = 0;        // of the present frame, in the blob
  bool reencoding_ = false;      // the present frame
};

// For encodings that cannot be resumed at all.
template <typename Stream>
class ReencodedLayer : public LayerDecoder {
 public:
  ReencodedLayer(TarOutput& output, FrameWriter& frames)
      : output_(output), frames_(frames) {}

  Status Decode(const Piece& piece) override {
    auto in = piece.bytes;
    while (true) {
      IMGMOUNT_TRY(const auto room, output_.Room());
      auto out = room;
      IMGMOUNT_CHECK(stream_.Step(in, out));
      const size_t made = room.size() - out.size();
      IMGMOUNT_CHECK(frames_.Append(room.first(made)));
      IMGMOUNT_CHECK(output_.Commit(made));
      if (in.empty() && !out.empty()) return {};
    }
  }
  Status Finish() override {
    IMGMOUNT_CHECK(stream_.CheckEnd());
    return frames_.Flush();
  }

 private:
  TarOutput& output_;
  FrameWriter& frames_;
  Stream stream_;
};

}  // namespace

std::unique_ptr<LayerDecoder> LayerDecoder::Make(Compression compression,
                                                 TarOutput& output,
                                                 SpanWriter& spans,
                                                 FrameWriter& frames,
                                                 MemberStarts& starts) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipLayer>(output, spans, starts);
    case Compression::kZstd:
      return std::make_unique<ZstdLayer>(output, spans, frames, starts);
    case Compression::kBzip2:
      return std::make_unique<ReencodedLayer<Bzip2Stream>>(output, frames);
    case Compression::kXz:
      return std::make_unique<ReencodedLayer<XzStream>>(output, frames);
    case Compression::kNone:
      break;
  }
  return std::make_unique<StoredLayer>(output, spans);
}

}  // namespace imgmount
