// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/span_cuts.h"

#include <algorithm>
#include <string>

#include "meta/base/xxh3.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/gzip/sparse_window.h"
#include "meta/layer/span_writer.h"

namespace imgmount {
namespace {

// Less is decoded in 0.2 ms.
constexpr uint64_t kMinSkip = 128 << 10;

// Room for a few programs in small layers.
constexpr size_t kFreeSpans = 64;

bool CanCut(const Span& span) {
  return span.check == SpanCheck::kBlocks && span.skip == 0 &&
         (span.kind == SpanKind::kGzipStart ||
          span.kind == SpanKind::kIsalState) &&
         // Much input that gives little is no real layer's.
         span.in_length <= 2 * span.length + kMinSkip;
}

// The last place at or before `at` that is whole blocks after the span's
// beginning.
uint64_t WholeBlocks(const Span& span, uint64_t at) {
  return at - (at - span.offset) % kBlockBytes;
}

// Decodes a span in steps, and knows how to go on from each.
class SpanInSteps {
 public:
  struct Point {
    size_t in = 0;      // compressed bytes of the span before it
    uint64_t out = 0;   // decoded ones
    std::string state;  // empty at the span's beginning
  };

  static Result<SpanInSteps> Start(const SpanTable& table, size_t number,
                                   BlobSource& blob) {
    SpanInSteps it(table.span(number));
    IMGMOUNT_TRY(const size_t read, blob.Read(it.span_.in_offset, it.in_));
    if (read != it.in_.size()) return Truncated();
    if (it.span_.kind == SpanKind::kIsalState) {
      IMGMOUNT_CHECK(table.LoadState(number, it.stream_.Resume()));
      it.points_.front().state = it.stream_.SaveState();
    }
    return it;
  }

  Status DecodeTo(uint64_t end) {
    while (done_ < end) {
      auto in = std::span<const std::byte>(in_).subspan(used_);
      auto out = std::span(out_).subspan(done_, end - done_);
      const size_t in_before = in.size();
      const size_t out_before = out.size();
      IMGMOUNT_CHECK(stream_.Step(in, out));
      if (in.size() == in_before && out.size() == out_before) {
        return Truncated();
      }
      used_ += in_before - in.size();
      done_ += out_before - out.size();
    }
    return {};
  }
  // One may go on from here.
  void KeepPoint() {
    if (stream_.in_data())
      points_.push_back({used_, done_, stream_.SaveState()});
  }

  // Whether the decoded bytes have the table's checksums.
  bool Matches(const SpanTable& table, size_t number) const {
    for (uint64_t at = 0; at < done_; at += kBlockBytes) {
      const auto length = std::min(kBlockBytes, done_ - at);
      if (XXH3_64bits(out_.data() + at, length) !=
          table.block_checksum(number, at / kBlockBytes)) {
        return false;
      }
    }
    return done_ == span_.length;
  }

  // A span from each point to the next.
  Status WriteTo(SpanWriter& writer) {
    for (size_t i = 0; i < points_.size(); ++i) {
      Point& point = points_[i];
      const bool last = i + 1 == points_.size();
      const auto out = std::span(out_).subspan(
          point.out, (last ? done_ : points_[i + 1].out) - point.out);
      writer.Begin(point.state.empty() ? span_.kind : SpanKind::kIsalState,
                   span_.file, span_.in_offset + point.in);
      if (!point.state.empty()) {
        // The first one's was made like this.
        if (i > 0) {
          DropUnusedWindow(
              point.state, std::span(in_).subspan(point.in),
              out.first(std::min<size_t>(out.size(), kWindowBytes)));
        }
        IMGMOUNT_CHECK(writer.SetState(std::move(point.state)));
      }
      IMGMOUNT_CHECK(writer.Append(out));
      writer.End(span_.in_offset + (last ? in_.size() : points_[i + 1].in));
    }
    return {};
  }

 private:
  explicit SpanInSteps(const Span& span)
      : span_(span), in_(span.in_length), out_(span.length), points_(1) {}
  static Failure Truncated() {
    return Fail(ErrorCode::kCorrupt, "truncated data");
  }

  Span span_;
  std::vector<std::byte> in_;
  std::vector<std::byte> out_;
  GzipStream stream_;
  size_t used_ = 0;
  uint64_t done_ = 0;
  std::vector<Point> points_;
};

}  // namespace

std::vector<uint64_t> WhereToCut(const SpanTable& table,
                                 std::span<const TarRun> runs) {
  std::vector<TarRun> sorted(runs.begin(), runs.end());
  std::sort(sorted.begin(), sorted.end(), [](const TarRun& a, const TarRun& b) {
    return a.offset < b.offset;
  });
  sorted.push_back({table.size(), 0});
  const size_t most = table.size() / kSpanBytes * 3 / 2 + kFreeSpans;
  std::vector<uint64_t> cuts;
  uint64_t at = 0;  // what is before it is dealt with
  for (const TarRun& run : sorted) {
    // From there to the run nothing is read.
    for (const uint64_t end = std::min(run.offset, table.size()); at < end;) {
      const Span span = table.span(table.Find(at));
      const uint64_t span_end = span.offset + span.length;
      const uint64_t begin = WholeBlocks(span, at + kBlockBytes - 1);
      const uint64_t stop = end < span_end ? WholeBlocks(span, end) : span_end;
      if (CanCut(span) && stop >= begin + kMinSkip) {
        if (table.span_count() + cuts.size() + 2 > most) return cuts;
        if (begin > span.offset) cuts.push_back(begin);
        if (stop < span_end) cuts.push_back(stop);
      }
      at = std::min(end, span_end);
    }
    at = std::max(at, run.offset + std::min(run.length, ~run.offset));
  }
  return cuts;
}

Status CutSpans(const SpanTable& table, BlobSource& blob,
                std::span<const uint64_t> cuts,
                const std::filesystem::path& path) {
  IMGMOUNT_TRY(SpanWriter writer, SpanWriter::Create(path));
  for (size_t i = 0; i < table.span_count(); ++i) table.WillNeed(i);
  for (size_t i = 0; i < table.span_count(); ++i) {
    const Span span = table.span(i);
    const uint64_t end = span.offset + span.length;
    if (cuts.empty() || cuts.front() >= end) {
      IMGMOUNT_CHECK(writer.Copy(table, i));
      continue;
    }
    IMGMOUNT_TRY(SpanInSteps steps, SpanInSteps::Start(table, i, blob));
    for (; !cuts.empty() && cuts.front() < end; cuts = cuts.subspan(1)) {
      IMGMOUNT_CHECK(steps.DecodeTo(cuts.front() - span.offset));
      steps.KeepPoint();
    }
    IMGMOUNT_CHECK(steps.DecodeTo(span.length));
    if (!steps.Matches(table, i)) {
      return Fail(ErrorCode::kCorrupt, "wrong checksum");
    }
    IMGMOUNT_CHECK(steps.WriteTo(writer));
  }
  IMGMOUNT_CHECK(writer.Finish());
  return writer.Commit();
}

}  // namespace imgmount
