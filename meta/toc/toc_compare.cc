// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "meta/text/printable.h"

namespace imgmount {
namespace {

Failure Differs(size_t number, std::string_view path, std::string_view what) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the layer's table of contents is wrong: entry {}, "
                          "{}: {}",
                          number, Quoted(path), what));
}

// As the estargz package writes times: to the second, and none for the first
// second of 1970.
bool SameTime(const Timestamp& toc, const Timestamp& tar) {
  if (toc == tar) return true;
  if (toc.nanoseconds != 0) return false;
  if (tar.seconds == 0) return toc.seconds == 0;
  constexpr uint32_t kHalf = 500'000'000;
  return toc.seconds == tar.seconds + (tar.nanoseconds >= kHalf ? 1 : 0);
}

// Names the first difference, or "".
std::string Difference(const EntryView& toc, const EntryView& tar) {
  const auto numbers = [](std::string_view what, auto a, auto b) {
    return fmt::format("{} {}, {} in the tar", what, a, b);
  };
  if (toc.type != tar.type) return "another type in the tar";
  if (toc.mode != tar.mode) {
    return fmt::format("mode {:04o}, {:04o} in the tar", toc.mode, tar.mode);
  }
  if (toc.uid != tar.uid) return numbers("uid", toc.uid, tar.uid);
  if (toc.gid != tar.gid) return numbers("gid", toc.gid, tar.gid);
  if (!SameTime(toc.mtime, tar.mtime)) {
    return fmt::format("time {}.{:09}, {}.{:09} in the tar", toc.mtime.seconds,
                       toc.mtime.nanoseconds, tar.mtime.seconds,
                       tar.mtime.nanoseconds);
  }
  if (toc.size != tar.size) return numbers("size", toc.size, tar.size);
  if (toc.link_target != tar.link_target) return "another target in the tar";
  if (toc.device_major != tar.device_major ||
      toc.device_minor != tar.device_minor) {
    return "another device number in the tar";
  }
  if (!std::ranges::equal(toc.xattrs, tar.xattrs)) {
    return "other xattrs in the tar";
  }
  return {};
}

// Compares the content of one file after the other.
class ContentComparison {
 public:
  ContentComparison(const SpanTable& chunks, const MemberStarts& starts)
      : chunks_(chunks), starts_(starts) {}

  // Whether all of the file's chunks are where the tar has it.
  bool Compare(const EntryView& toc, const EntryView& tar) {
    uint64_t done = 0;
    for (const Extent& e : toc.extents) {
      AddHole(done, e.logical, tar);
      done = e.logical + e.length;
      for (uint64_t at = 0; at < e.length;) {
        const Span span = chunks_.span(chunks_.Find(e.physical + at));
        const uint64_t into = e.physical + at - span.offset;
        const uint64_t length = std::min(span.length - into, e.length - at);
        const auto start = starts_.Find(span.in_offset);
        if (!start ||
            !Has(tar, {e.logical + at, length, *start + span.skip + into})) {
          return false;
        }
        at += length;
      }
    }
    AddHole(done, toc.size, tar);
    return true;
  }

  std::vector<TarRun> TakeHoles() { return std::move(holes_); }

 private:
  // The extents that have something at `offset` or beyond it: there may be as
  // many as there are chunks.
  static std::span<const Extent> From(std::span<const Extent> extents,
                                      uint64_t offset) {
    return {
        std::ranges::partition_point(
            extents,
            [&](const Extent& e) { return e.logical + e.length <= offset; }),
        extents.end()};
  }
  // Whether the tar has this part of the file in one piece in this place.
  static bool Has(const EntryView& tar, const Extent& part) {
    const auto extents = From(tar.extents, part.logical);
    if (extents.empty() || extents[0].logical > part.logical) return false;
    const uint64_t into = part.logical - extents[0].logical;
    return extents[0].length - into >= part.length &&
           extents[0].physical + into == part.physical;
  }
  // The TOC has a hole in bytes [begin, end) of a file.
  void AddHole(uint64_t begin, uint64_t end, const EntryView& tar) {
    for (const Extent& e : From(tar.extents, begin)) {
      if (e.logical >= end) break;
      const uint64_t from = std::max(begin, e.logical);
      const uint64_t to = std::min(end, e.logical + e.length);
      holes_.push_back({e.physical + (from - e.logical), to - from});
    }
  }

  const SpanTable& chunks_;
  const MemberStarts& starts_;
  std::vector<TarRun> holes_;
};

}  // namespace

Status CompareTocWithTar(const LayerIndex& toc, const LayerIndex& tar) {
  const size_t common = std::min(toc.size(), tar.size());
  for (size_t i = 0; i < common; ++i) {
    const EntryView said = toc.entry(i);
    const EntryView is = tar.entry(i);
    if (said.path != is.path) {
      return Differs(i, said.path, Quoted(is.path) + " in the tar");
    }
    if (const auto what = Difference(said, is); !what.empty()) {
      return Differs(i, said.path, what);
    }
  }
  if (toc.size() > common) {
    return Differs(common, toc.entry(common).path, "not in the tar");
  }
  if (tar.size() > common) {
    return Differs(common, tar.entry(common).path, "only in the tar");
  }
  return {};
}

std::vector<uint64_t> StartsOf(const SpanTable& chunks) {
  std::vector<uint64_t> starts;
  for (size_t i = 0; i < chunks.span_count(); ++i) {
    starts.push_back(chunks.span(i).in_offset);
  }
  return starts;
}

Result<std::vector<TarRun>> CompareChunks(const LayerIndex& toc,
                                          const SpanTable& chunks,
                                          const LayerIndex& tar,
                                          const MemberStarts& starts) {
  ContentComparison comparison(chunks, starts);
  for (size_t i = 0; i < toc.size(); ++i) {
    if (!comparison.Compare(toc.entry(i), tar.entry(i))) {
      return Differs(i, toc.entry(i).path,
                     "its content is somewhere else in the tar");
    }
  }
  return comparison.TakeHoles();
}

Status CheckZeros(std::span<const TarRun> runs, const SpanTable& spans,
                  BlobSource& blob, BlobSource* frames) {
  std::vector<std::byte> buffer;
  for (TarRun run : runs) {
    while (run.length > 0) {
      const size_t number = spans.Find(run.offset);
      const Span span = spans.span(number);
      const uint64_t begin = run.offset - span.offset;
      const uint64_t end = std::min(begin + run.length, span.length);
      buffer.resize(span.length);
      IMGMOUNT_TRY(const auto decoder,
                   SpanDecoder::Start(spans, number, blob, frames, buffer));
      IMGMOUNT_CHECK(decoder->DecodeTo(end));
      const auto part = std::span(buffer).subspan(begin, end - begin);
      if (!std::ranges::all_of(part, [](auto b) { return b == std::byte(); })) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("the layer's table of contents is wrong: a "
                                "hole where the tar has data, at byte {}",
                                run.offset));
      }
      run.offset += end - begin;
      run.length -= end - begin;
    }
  }
  return {};
}

}  // namespace imgmount
