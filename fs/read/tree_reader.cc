// SPDX-License-Identifier: Apache-2.0
#include "fs/read/tree_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "fs/read/read_pattern.h"
#include "fs/read/span_cache.h"
#include "meta/base/mutex.h"

namespace imgmount {
namespace {

// Holes read as these. Not const, so that they take no room in the program.
std::byte zeros[64 << 10];

// writev(2) takes 1024 pieces; a file in more shreds than this is copied.
constexpr size_t kMaxPieces = 256;

constexpr size_t kMaxLoggedSpans = 1000;

// Beyond what is decoded ahead: so that it comes from the disk while what is
// before it is decoded.
constexpr size_t kReadAheadSpans = 2;

class LayerSource final : public SpanSource {
 public:
  explicit LayerSource(OpenedLayer opened) : opened_(std::move(opened)) {}
  const OpenedLayer& opened() const { return opened_; }
  Result<std::unique_ptr<SpanDecoder>> StartDecoder(
      size_t number, std::span<std::byte> out) const override {
    return SpanDecoder::Start(*opened_.spans, number, *opened_.blob,
                              opened_.frames.get(), out);
  }

 private:
  const OpenedLayer opened_;
};

// A layer that is open.
struct Layer {
  SourcedSpan Sourced(size_t number, const Span& span) const {
    return {{id, span.offset, span.length}, number, source};
  }

  const std::shared_ptr<const SpanSource> source;
  const OpenedLayer& opened;  // in the source
  const uint64_t id;          // in the span cache
  ReadPattern pattern = {};
  std::atomic<bool> discarded = false;
};

// One that may be. Who holds its mutex opens it.
struct LayerSlot {
  Mutex opening;
  std::unique_ptr<Layer> layer GUARDED_BY(opening);  // stays once it is there
  // Opening it again would not help.
  std::optional<Error> broken GUARDED_BY(opening);
};

BlobSource& BlobOf(const OpenedLayer& layer, const Span& span) {
  return span.file == SpanFile::kFrames ? *layer.frames : *layer.blob;
}

bool IsHere(const OpenedLayer& layer, size_t number) {
  const Span span = layer.spans->span(number);
  return BlobOf(layer, span).IsHere(span.in_offset, span.in_length);
}

// Lets the kernel fetch a span's state and compressed bytes, or the network.
void WillNeed(const OpenedLayer& layer, size_t number) {
  if (number >= layer.spans->span_count()) return;
  const Span span = layer.spans->span(number);
  layer.spans->WillNeed(number);
  BlobOf(layer, span).WillNeed(span.in_offset, span.in_length);
}

class SpanTreeReader final : public TreeReader, private DecodeAhead::Client {
 public:
  SpanTreeReader(const UnionTree& tree, LayerOpener opener,
                 TreeReaderOptions options)
      : tree_(tree),
        opener_(std::move(opener)),
        options_(std::move(options)),
        budget_(options_.budget ? options_.budget
                                : std::make_shared<ReadBudget>()),
        cache_(budget_->spans()) {
    if (!options_.profiles.save) return;
    AccessProfilesOptions profiles = options_.profiles;
    if (options_.cut) {
      profiles.settle = [this](const auto& known) { CutFor(known); };
    }
    profiles_.emplace(
        std::move(profiles),
        [this](const ProfilePart& part) {
          ForEachSpan(part, [](const Layer& layer, size_t number, uint64_t) {
            WillNeed(layer.opened, number);
          });
        },
        [this](const ProfilePart& part) {
          ForEachSpan(part,
                      [this](const Layer& layer, size_t number, uint64_t end) {
                        Prepare(layer, number, end);
                      });
        });
  }
  ~SpanTreeReader() override {
    profiles_.reset();
    budget_->ahead().Leave(*this);
    for (const auto& [position, slot] : slots_) {
      if (slot.layer) cache_.Release(*slot.layer->source);
    }
  }

  Result<FileBytes> View(Ino ino, uint64_t offset, size_t length) override;
  std::unique_ptr<BlobWait> Await(Ino ino, uint64_t offset, size_t length,
                                  const BlobSource::Arrived& arrived) override;
  bool HasDecoded(Ino ino, uint64_t offset, size_t length) override;
  Result<FileBytes> ViewDecoded(const FilePart& part) override;
  void OnStored(const FilePart& part) override {
    if (!profiles_) return;
    profiles_->OnStored({part.offset, static_cast<uint32_t>(part.ino.number()),
                         static_cast<uint32_t>(part.length)});
  }
  bool SetListener(Listener listener) override {
    if (!profiles_) return false;
    profiles_->SetListener(
        {.on_decoded =
             [told = std::move(listener.on_foreseen)](const ProfilePart& part) {
               if (told) told({Ino(part.ino), part.offset, part.length});
             },
         .on_walk = std::move(listener.on_walk)});
    return true;
  }

 private:
  // Calls `data(run, file)` with the runs of [offset, offset + length) of a
  // file, each with the run that the whole file is, and `hole(length)` with
  // what is between them, in order; both answer a Status.
  template <typename Hole, typename Data>
  Status Split(const Inode& inode, uint64_t offset, size_t length, Hole&& hole,
               Data&& data);
  LayerSlot& SlotOf(LayerPosition position);
  // Calls `use(layer, number, stop)` with each span of a run that is not
  // decoded up to byte `stop` of it, until it answers false. False: it did, or
  // the layer has not been opened.
  template <typename Use>
  bool ForEachUndecoded(LayerPosition position, const TarRun& run, Use&& use);
  Result<Layer*> OpenLayer(LayerPosition position);
  enum class For {
    kReader,
    kForeseenReader,  // what comes next is taken care of
    kPageCache,       // nobody asked for it
  };
  Result<FileBytes> View(const Inode& inode, uint64_t offset, size_t length,
                         For whom);
  // Appends a run of the layer's tar that is a part of `file`.
  Status AppendTar(LayerPosition position, const TarRun& run,
                   const TarRun& file, For whom, FileBytes& out);
  // Does what the reading so far calls for.
  void FollowPattern(Layer& layer, LayerPosition position, const SpanRead& read,
                     For whom);
  void DecodeWanted(const LayerSpan& span) override;
  // Up to byte `end` of the span, or all there is.
  void Prepare(const Layer& layer, size_t number, uint64_t end = kMaxSpanBytes);
  // Calls `use(layer, run)` with what a part is of the layer's tar; a part that
  // is nowhere is none.
  template <typename Use>
  void ForEachRun(const ProfilePart& part, Use&& use);
  // Calls `use(layer, number, end)` with each span that a part lies in, and
  // where in it the part ends.
  template <typename Use>
  void ForEachSpan(const ProfilePart& part, Use&& use);
  // Lets spans begin where the reads of these profiles do.
  void CutFor(const std::vector<AccessProfile>& profiles);
  // Lets the layer's derived files be made anew; false: there are none.
  bool Discard(LayerPosition position);
  Failure Logged(const LayerSpan& where, Error error);

  const UnionTree& tree_;
  const LayerOpener opener_;
  const TreeReaderOptions options_;
  Mutex slots_mutex_;
  std::map<LayerPosition, LayerSlot> slots_ GUARDED_BY(slots_mutex_);
  Mutex logged_mutex_;
  std::set<LayerSpan> logged_ GUARDED_BY(logged_mutex_);
  const std::shared_ptr<ReadBudget> budget_;
  SpanCache& cache_;  // the budget's
  std::optional<AccessProfiles> profiles_;
};

void AppendZeros(uint64_t length, FileBytes& out) {
  while (length > 0) {
    const size_t n = std::min<uint64_t>(length, sizeof zeros);
    out.pieces.push_back(std::span<const std::byte>(zeros).first(n));
    out.size += n;
    length -= n;
  }
}

// A read of `run`, which lies in `span`.
SpanRead ReadOf(const SpanTable& table, size_t number, const Span& span,
                const TarRun& run, const TarRun& file) {
  SpanRead read{run, file.offset, number, number, number};
  const uint64_t end = std::min(file.offset + file.length, table.size());
  if (file.offset < span.offset) read.first_span = table.Find(file.offset);
  if (end > span.offset + span.length) read.last_span = table.Find(end - 1);
  return read;
}

void CopyTo(const FileBytes& bytes, std::byte* out) {
  for (const auto piece : bytes.pieces) {
    std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  }
}

FileBytes InOnePiece(const FileBytes& bytes) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.size);
  CopyTo(bytes, copy->data());
  const std::span<const std::byte> piece = *copy;
  return {{piece}, {std::move(copy)}, bytes.size, bytes.file_size};
}

Result<FileBytes> SpanTreeReader::View(Ino ino, uint64_t offset,
                                       size_t length) {
  IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
  const uint64_t size =
      std::min<uint64_t>(length, inode.size - std::min(inode.size, offset));
  const bool foreseen =
      profiles_ && size > 0 && profiles_->OnRead(ino, offset, size);
  return View(inode, offset, length,
              foreseen ? For::kForeseenReader : For::kReader);
}

Result<FileBytes> SpanTreeReader::ViewDecoded(const FilePart& part) {
  IMGMOUNT_TRY(const Inode inode, tree_.Get(part.ino));
  if (!HasDecoded(part.ino, part.offset, part.length)) return FileBytes();
  return View(inode, part.offset, part.length, For::kPageCache);
}

Result<FileBytes> SpanTreeReader::View(const Inode& inode, uint64_t offset,
                                       size_t length, For whom) {
  FileBytes out;
  out.file_size = inode.size;
  const auto flatten = [&out] {
    if (out.pieces.size() > kMaxPieces) out = InOnePiece(out);
  };
  IMGMOUNT_CHECK(Split(
      inode, offset, length,
      [&](uint64_t hole) -> Status {
        AppendZeros(hole, out);
        flatten();
        return {};
      },
      [&](const TarRun& run, const TarRun& file) -> Status {
        IMGMOUNT_CHECK(AppendTar(inode.layer, run, file, whom, out));
        flatten();
        return {};
      }));
  return out;
}

bool SpanTreeReader::HasDecoded(Ino ino, uint64_t offset, size_t length) {
  const auto inode = tree_.Get(ino);
  if (!inode) return true;  // an error takes no time
  bool all = true;
  const Status split = Split(
      *inode, offset, length, [](uint64_t) { return Status(); },
      [&](const TarRun& run, const TarRun&) {
        all =
            all && ForEachUndecoded(inode->layer, run,
                                    [](const Layer&, size_t) { return false; });
        return Status();
      });
  return all || !split;
}

template <typename Use>
bool SpanTreeReader::ForEachUndecoded(LayerPosition position, const TarRun& run,
                                      Use&& use) {
  LayerSlot& slot = SlotOf(position);
  // Whoever opens it may take long.
  if (!slot.opening.TryLock()) return false;
  const Layer* const layer = slot.layer.get();
  slot.opening.Unlock();
  if (layer == nullptr) return false;
  const SpanTable& table = *layer->opened.spans;
  const uint64_t end = run.offset + run.length;
  for (uint64_t at = run.offset; at < std::min(end, table.size());) {
    const size_t number = table.Find(at);
    const Span span = table.span(number);
    const uint64_t stop = std::min(end - span.offset, span.length);
    if (!cache_.Has(layer->Sourced(number, span).key, stop) &&
        !use(*layer, number)) {
      return false;
    }
    at = span.offset + stop;
  }
  return true;
}

std::unique_ptr<BlobWait> SpanTreeReader::Await(
    Ino ino, uint64_t offset, size_t length,
    const BlobSource::Arrived& arrived) {
  if (!options_.lazy) return nullptr;
  const auto inode = tree_.Get(ino);
  if (!inode) return nullptr;
  std::unique_ptr<BlobWait> wait;
  (void)Split(
      *inode, offset, length, [](uint64_t) { return Status(); },
      [&](const TarRun& run, const TarRun&) -> Status {
        IMGMOUNT_CHECK(OpenLayer(inode->layer));
        (void)ForEachUndecoded(
            inode->layer, run, [&](const Layer& layer, size_t number) {
              if (wait) {
                WillNeed(layer.opened, number);
              } else {
                const Span span = layer.opened.spans->span(number);
                wait = BlobOf(layer.opened, span)
                           .Await(span.in_offset, span.in_length, arrived);
              }
              return true;
            });
        return {};
      });
  return wait;
}

template <typename Hole, typename Data>
Status SpanTreeReader::Split(const Inode& inode, uint64_t offset, size_t length,
                             Hole&& hole, Data&& data) {
  if (offset >= inode.size) return {};
  const uint64_t end = offset + std::min<uint64_t>(length, inode.size - offset);
  IMGMOUNT_TRY(const std::vector<Extent> extents, tree_.Extents(inode.ino));

  auto it = std::partition_point(
      extents.begin(), extents.end(),
      [&](const Extent& e) { return e.logical + e.length <= offset; });
  TarRun file;
  if (!extents.empty()) {
    file.offset = extents.front().physical;
    file.length = extents.back().physical + extents.back().length - file.offset;
  }
  uint64_t at = offset;
  for (; it != extents.end() && it->logical < end; ++it) {
    const uint64_t begin = std::max(at, it->logical);
    const uint64_t stop = std::min(end, it->logical + it->length);
    if (stop < begin) {
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format("extents of inode {} overlap", inode.ino.number()));
    }
    if (begin > at) IMGMOUNT_CHECK(hole(begin - at));
    IMGMOUNT_CHECK(
        data(TarRun{it->physical + (begin - it->logical), stop - begin}, file));
    at = stop;
  }
  return end > at ? hole(end - at) : Status();
}

Status SpanTreeReader::AppendTar(LayerPosition position, const TarRun& run,
                                 const TarRun& file, For whom, FileBytes& out) {
  IMGMOUNT_TRY(Layer* const layer, OpenLayer(position));
  const SpanTable& table = *layer->opened.spans;
  if (run.offset > table.size() || table.size() - run.offset < run.length) {
    return Logged(
        {position, table.span_count()},
        Error(ErrorCode::kCorrupt, "a file lies beyond the end of the tar"));
  }
  const uint64_t end = run.offset + run.length;
  for (uint64_t physical = run.offset; physical < end;) {
    const size_t number = table.Find(physical);
    const Span span = table.span(number);
    const uint64_t begin = physical - span.offset;
    const uint64_t n = std::min(end - physical, span.length - begin);
    const SpanRead read = ReadOf(table, number, span, {physical, n}, file);
    if (whom != For::kPageCache) FollowPattern(*layer, position, read, whom);

    const SourcedSpan sourced = layer->Sourced(number, span);
    const bool cold =
        whom == For::kReader && !cache_.Has(sourced.key, begin + n);
    if (cold) {
      for (const size_t near : layer->pattern.OnColdRead(read)) {
        budget_->ahead().WantIfIdle(*this, {position, near});
      }
    }
    auto bytes = cache_.Get(sourced, begin + n);
    if (!bytes && bytes.error().code() == ErrorCode::kCorrupt &&
        BlobOf(layer->opened, span).Refetch(span.in_offset, span.in_length)) {
      bytes = cache_.Get(sourced, begin + n);
    }
    // Who came here is likely to read on.
    if (cold) budget_->ahead().Want(*this, {position, number});
    if (!bytes) return Logged({position, number}, std::move(bytes).error());
    out.pieces.push_back(bytes->bytes.subspan(begin));
    out.pins.push_back(std::move(bytes->pin));
    out.size += n;
    physical += n;
  }
  return {};
}

void SpanTreeReader::FollowPattern(Layer& layer, LayerPosition position,
                                   const SpanRead& read, For whom) {
  const ReadPattern::Advice advice = layer.pattern.OnRead(
      read, static_cast<size_t>(options_.decode_ahead_spans));
  const SpanTable& table = *layer.opened.spans;
  for (size_t i = advice.forget.begin; i < advice.forget.end; ++i) {
    cache_.Forget(layer.Sourced(i, table.span(i)).key);
  }
  if (whom != For::kReader) return;
  const size_t end = std::min(advice.decode.end, table.span_count());
  for (size_t i = advice.decode.begin; i < end; ++i) {
    if (options_.lazy) WillNeed(layer.opened, i);
    budget_->ahead().Want(*this, {position, i});
    WillNeed(layer.opened, i + kReadAheadSpans);
  }
}

LayerSlot& SpanTreeReader::SlotOf(LayerPosition position) {
  const MutexLock lock(slots_mutex_);
  return slots_[position];
}

Result<Layer*> SpanTreeReader::OpenLayer(LayerPosition position) {
  LayerSlot& slot = SlotOf(position);
  const MutexLock lock(slot.opening);
  if (slot.layer) return slot.layer.get();
  if (slot.broken) return Failure(*slot.broken);
  auto opened = opener_(position);
  if (opened) {
    const auto source = std::make_shared<LayerSource>(*std::move(opened));
    const OpenedLayer& layer = source->opened();
    slot.layer.reset(
        new Layer{source, layer, cache_.LayerNumber(layer.identity)});
    return slot.layer.get();
  }
  Error error =
      std::move(opened).error().In("layer " + std::to_string(position));
  LogTo(options_.log, error.message());
  // A missing file may come back; finding out again that it is wrong would
  // take a pass over the whole layer for every read.
  if (error.code() == ErrorCode::kCorrupt) slot.broken = error;
  return Failure(std::move(error));
}

void SpanTreeReader::DecodeWanted(const LayerSpan& span) {
  const auto layer = OpenLayer(span.layer);
  if (!layer || (*layer)->pattern.IsPast(span.span)) return;
  Prepare(**layer, span.span);
}

void SpanTreeReader::Prepare(const Layer& layer, size_t number, uint64_t end) {
  // Those who decode ahead do not wait for the network.
  if (options_.lazy && !IsHere(layer.opened, number)) return;
  const Span span = layer.opened.spans->span(number);
  cache_.Prepare(layer.Sourced(number, span), std::min(end, span.length));
}

template <typename Use>
void SpanTreeReader::ForEachRun(const ProfilePart& part, Use&& use) {
  const auto inode = tree_.Get(Ino(part.ino));
  if (!inode || !S_ISREG(inode->mode)) return;
  (void)Split(
      *inode, part.offset, part.length, [](uint64_t) { return Status(); },
      [&](const TarRun& run, const TarRun&) {
        use(inode->layer, run);
        return Status();
      });
}

template <typename Use>
void SpanTreeReader::ForEachSpan(const ProfilePart& part, Use&& use) {
  ForEachRun(part, [&](LayerPosition position, const TarRun& run) {
    const auto layer = OpenLayer(position);
    if (!layer) return;
    const SpanTable& table = *(*layer)->opened.spans;
    const uint64_t end = std::min(run.offset + run.length, table.size());
    for (uint64_t at = run.offset; at < end;) {
      const size_t number = table.Find(at);
      const Span span = table.span(number);
      at = std::min(end, span.offset + span.length);
      use(**layer, number, at - span.offset);
    }
  });
}

void SpanTreeReader::CutFor(const std::vector<AccessProfile>& profiles) {
  std::map<LayerPosition, std::vector<TarRun>> runs;
  for (const AccessProfile& profile : profiles) {
    for (const ProfilePart& part : profile) {
      ForEachRun(part, [&](LayerPosition layer, const TarRun& run) {
        runs[layer].push_back(run);
      });
    }
  }
  for (const auto& [layer, of_layer] : runs) options_.cut(layer, of_layer);
}

bool SpanTreeReader::Discard(LayerPosition position) {
  const auto layer = OpenLayer(position);
  if (!layer || !(*layer)->opened.discard) return false;
  if (!(*layer)->discarded.exchange(true)) (*layer)->opened.discard();
  return true;
}

Failure SpanTreeReader::Logged(const LayerSpan& where, Error error) {
  error = std::move(error).In(fmt::format("layer {}", where.layer));
  if (error.code() == ErrorCode::kCorrupt) {
    if (Discard(where.layer)) {
      error = Error(error.code(), error.message() + "; mount the image again",
                    error.error_number());
    }
  }
  const MutexLock lock(logged_mutex_);
  if (logged_.size() < kMaxLoggedSpans && logged_.insert(where).second) {
    LogTo(options_.log, error.message());
  }
  return Failure(std::move(error));
}

}  // namespace

std::unique_ptr<TreeReader> TreeReader::Make(const UnionTree& tree,
                                             LayerOpener opener,
                                             TreeReaderOptions options) {
  return std::make_unique<SpanTreeReader>(tree, std::move(opener),
                                          std::move(options));
}

Result<size_t> TreeReader::Read(Ino ino, uint64_t offset,
                                std::span<std::byte> out) {
  IMGMOUNT_TRY(const FileBytes bytes, View(ino, offset, out.size()));
  CopyTo(bytes, out.data());
  return bytes.size;
}

}  // namespace imgmount
