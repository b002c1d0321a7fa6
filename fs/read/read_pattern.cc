// SPDX-License-Identifier: Apache-2.0
#include "fs/read/read_pattern.h"

#include <algorithm>

namespace imgmount {
namespace {

// The kernel's read-ahead comes in from several threads, not quite in order,
// and a directory has files of other layers in between.
constexpr uint64_t kSlack = 1 << 20;
constexpr int kReadsInOrder = 3;
// Who has read so many files or bytes in order does not stop at a file's end.
constexpr int kManyFiles = 4;
constexpr uint64_t kManyBytes = 1 << 20;
// And who has read so much goes on for a while.
constexpr uint64_t kLongBytes = 8 << 20;

// In a larger file a program reads too little for a guess.
constexpr size_t kMaxScatteredSpans = 40;
constexpr size_t kMaxScatteredFiles = 64;
// Guesses for each read that found nothing, and of one time.
constexpr size_t kGuesses = 2;
constexpr size_t kMaxGuesses = 16;

}  // namespace

ReadPattern::Advice ReadPattern::OnRead(const SpanRead& read, size_t depth) {
  const MutexLock lock(mutex_);
  const uint64_t begin = read.run.offset;
  const uint64_t end = begin + read.run.length;
  if (reads_ == 0 || begin + kSlack < next_ || begin > next_ + kSlack) {
    begun_ = begin;
    next_ = end;
    bytes_ = end - begin;
    file_ = read.file;
    files_ = 1;
    reads_ = 1;
    announced_ = 0;
    first_ = forgotten_ = read.span + 1;  // what is before `begin` was not read
    return {};
  }
  next_ = std::max(next_, end);
  bytes_ += end - begin;
  if (file_ != read.file) ++files_;
  file_ = read.file;
  if (++reads_ < kReadsInOrder) return {};

  if (bytes_ >= kLongBytes) depth *= 2;
  Advice advice;
  advice.decode = {std::max(read.span, announced_), read.span + depth + 1};
  if (files_ < kManyFiles && bytes_ < kManyBytes) {
    advice.decode.end = std::min(advice.decode.end, read.last_span + 1);
  }
  announced_ = std::max(announced_, advice.decode.end);
  // A program that jumps about in one place does come back.
  if (bytes_ >= (next_ - begun_) / 2 && read.span > forgotten_ + 1) {
    advice.forget = {forgotten_, read.span - 1};
    forgotten_ = read.span - 1;
  }
  return advice;
}

std::vector<size_t> ReadPattern::OnColdRead(const SpanRead& read) {
  const size_t first = read.first_span;
  // Extents of a damaged tree may be in any order.
  if (read.span < first || read.span > read.last_span) return {};
  const size_t count = read.last_span - first + 1;
  if (count == 1 || count > kMaxScatteredSpans) return {};
  const MutexLock lock(mutex_);
  if (scattered_.size() >= kMaxScatteredFiles) scattered_.clear();
  Scattered& file = scattered_[read.file];
  const size_t at = read.span - first;
  file.told |= uint64_t{1} << at;
  const size_t wanted = std::min(kMaxGuesses, kGuesses * ++file.cold);
  std::vector<size_t> guesses;
  const auto guess = [&](size_t n) {
    const uint64_t bit = uint64_t{1} << n;
    if (guesses.size() == wanted || (file.told & bit) != 0) return;
    file.told |= bit;
    guesses.push_back(first + n);
  };
  for (size_t distance = 1; distance < count; ++distance) {
    if (at + distance < count) guess(at + distance);
    if (at >= distance) guess(at - distance);
  }
  return guesses;
}

bool ReadPattern::IsPast(size_t span) {
  const MutexLock lock(mutex_);
  return span >= first_ && span < forgotten_;
}

}  // namespace imgmount
