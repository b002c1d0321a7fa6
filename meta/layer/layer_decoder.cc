#include "meta/layer/layer_decoder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "meta/layer/bzip2_stream.h"
#include "meta/layer/gzip_stream.h"
#include "meta/layer/sparse_window.h"
#include "meta/layer/xz_stream.h"
#include "meta/layer/zstd_stream.h"

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

class GzipLayer : public LayerDecoder {
 public:
  GzipLayer(TarOutput& output, SpanWriter& spans)
      : output_(output), spans_(spans) {
    spans_.Begin(SpanKind::kGzipStart, SpanFile::kBlob, 0);
  }

  Status Decode(const Piece& piece) override {
    auto in = piece.bytes;
    while (true) {
      IMGMOUNT_TRY(auto room, output_.Room());
      room = room.first(std::min<size_t>(
          room.size(), checkpoint_ ? kWindowBytes - checkpoint_->out.size()
                                   : kSpanBytes - spans_.span_length()));
      auto out = room;
      const auto before = in;
      IMGMOUNT_CHECK(stream_.Step(in, out));
      const auto used = before.first(before.size() - in.size());
      const auto made = room.first(room.size() - out.size());
      in_offset_ += used.size();
      IMGMOUNT_CHECK(spans_.Append(made));
      if (checkpoint_) IMGMOUNT_CHECK(Watch(used, made));
      IMGMOUNT_CHECK(output_.Commit(made.size()));
      IMGMOUNT_CHECK(Cut());
      // With room left, the decoder has nothing more to give.
      if (in.empty() && !out.empty()) return {};
    }
  }
  Status Finish() override {
    IMGMOUNT_CHECK(EndSpan());
    return stream_.CheckEnd();
  }

 private:
  // The state at the span's start, until it is known what of it is needed.
  struct Checkpoint {
    std::string state;
    std::vector<std::byte> in;   // since then
    std::vector<std::byte> out;  // since then
  };
  static_assert(kSpanBytes >= kWindowBytes);

  // A member's start is a checkpoint for free: taken early, it saves a state.
  Status Cut() {
    const uint64_t length = spans_.span_length();
    if (stream_.at_member() && length >= kSpanBytes / 2) {
      IMGMOUNT_CHECK(EndSpan());
      spans_.Begin(SpanKind::kGzipStart, SpanFile::kBlob, in_offset_);
    } else if (stream_.in_data() && length >= kSpanBytes) {
      IMGMOUNT_CHECK(EndSpan());
      spans_.Begin(SpanKind::kIsalState, SpanFile::kBlob, in_offset_);
      checkpoint_.emplace(Checkpoint{stream_.SaveState(), {}, {}});
    }
    return {};
  }

  Status Watch(std::span<const std::byte> in, std::span<const std::byte> out) {
    Checkpoint& c = *checkpoint_;
    c.in.insert(c.in.end(), in.begin(), in.end());
    c.out.insert(c.out.end(), out.begin(), out.end());
    if (c.out.size() == kWindowBytes || stream_.at_member()) {
      DropUnusedWindow(c.state, c.in, c.out);
      return EndCheckpoint();
    }
    // Much input that gives nothing is no real layer's, and is not kept.
    if (c.in.size() > 2 * kWindowBytes) return EndCheckpoint();
    return {};
  }

  Status EndCheckpoint() {
    const Status set = spans_.SetState(checkpoint_->state);
    checkpoint_.reset();
    return set;
  }

  Status EndSpan() {
    if (checkpoint_) IMGMOUNT_CHECK(EndCheckpoint());
    spans_.End(in_offset_);
    return {};
  }

  TarOutput& output_;
  SpanWriter& spans_;
  GzipStream stream_;
  uint64_t in_offset_ = 0;
  std::optional<Checkpoint> checkpoint_;
};

// Whole frames become spans where they are; consecutive small ones share one.
// A frame too large for a span is re-encoded. Which of both it is shows only
// when its decoded bytes have outgrown a span, so these are kept until then.
class ZstdLayer : public LayerDecoder {
 public:
  ZstdLayer(TarOutput& output, SpanWriter& spans, FrameWriter& frames)
      : output_(output), spans_(spans), frames_(frames) {}

  Status Decode(const Piece& piece) override {
    auto in = piece.bytes;
    while (true) {
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
                                                 FrameWriter& frames) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipLayer>(output, spans);
    case Compression::kZstd:
      return std::make_unique<ZstdLayer>(output, spans, frames);
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
