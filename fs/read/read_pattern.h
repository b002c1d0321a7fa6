// SPDX-License-Identifier: Apache-2.0
// ReadPattern: recognises how a layer is read, and says which spans to decode
// next and which to drop.
//
// Two kinds of reading are worth decoding ahead for:
// - in order, through a large file or from file to file: the spans that follow.
//   They stay within the file until the reader has gone on to other files: a
//   program that starts reads only the beginnings of many files;
// - here and there in a file, as the kernel reads a program's code: the spans
//   around those that were missing, and more of them each time.
//
// Thread-safe.
#ifndef IMGMOUNT_FS_READ_READ_PATTERN_H_
#define IMGMOUNT_FS_READ_READ_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "meta/base/mutex.h"
#include "meta/layer/span_cuts.h"

namespace imgmount {

// A read within one span.
struct SpanRead {
  TarRun run;         // of the tar
  uint64_t file = 0;  // where the file begins in the tar: stands for it
  size_t span = 0;
  // The spans that the file lies in.
  size_t first_span = 0;
  size_t last_span = 0;
};

class ReadPattern {
 public:
  struct Range {
    size_t begin = 0;
    size_t end = 0;
  };
  struct Advice {
    Range decode;  // spans that were not named before; maybe beyond the last
    Range forget;  // spans that were read from end to end
  };

  // The spans to decode end at most `depth` spans after the one that is
  // read, or twice as many after a long time.
  Advice OnRead(const SpanRead& read, size_t depth);
  // The read had to be decoded first: spans that may be needed as well, the
  // likelier ones first.
  std::vector<size_t> OnColdRead(const SpanRead& read);

  // Whether the reader is beyond a span that was to be decoded for it.
  bool IsPast(size_t span);

 private:
  // A file that is read here and there.
  struct Scattered {
    size_t cold = 0;
    uint64_t told = 0;  // bit n: of the file's span n
  };

  Mutex mutex_;
  // The run that is being read in order:
  uint64_t begun_ GUARDED_BY(mutex_) = 0;
  uint64_t next_ GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;  // that were read since begun_
  uint64_t file_ GUARDED_BY(mutex_) = 0;   // where the last one begins
  int files_ GUARDED_BY(mutex_) = 0;
  int reads_ GUARDED_BY(mutex_) = 0;
  size_t announced_ GUARDED_BY(mutex_) = 0;  // all spans before this one
  // The spans that were read from end to end.
  size_t first_ GUARDED_BY(mutex_) = 0;
  size_t forgotten_ GUARDED_BY(mutex_) = 0;

  // By where the file begins.
  std::map<uint64_t, Scattered> scattered_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_READ_PATTERN_H_
