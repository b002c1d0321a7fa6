// SPDX-License-Identifier: Apache-2.0
// ReadBudget: memory for decoded spans and threads that decode ahead, shared by
// all readers of a process, of however many mounts.
//
// Thread-safe. Each reader owns a share of it.
#ifndef IMGMOUNT_FS_READ_READ_BUDGET_H_
#define IMGMOUNT_FS_READ_READ_BUDGET_H_

#include <cstddef>

#include "fs/read/decode_ahead.h"
#include "fs/read/span_cache.h"

namespace imgmount {

struct ReadLimits {
  // Decoded spans kept: most of what a program like Python reads as it starts.
  size_t cache_bytes = 96 << 20;
  int decode_ahead_threads = 2;  // 0: none
};

class ReadBudget {
 public:
  explicit ReadBudget(const ReadLimits& limits = {})
      : spans_(limits.cache_bytes), ahead_(limits.decode_ahead_threads) {}

  SpanCache& spans() { return spans_; }
  DecodeAhead& ahead() { return ahead_; }

 private:
  SpanCache spans_;
  DecodeAhead ahead_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_READ_BUDGET_H_
