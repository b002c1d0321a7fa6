// SPDX-License-Identifier: Apache-2.0
// Evicting: an image's layers give their bytes back, and stay known.
//
// Index, span table and tree stay (some 3 % of the size), with a digest of what
// each span is decoded from. The image mounts as ever, and what is read of it
// comes from its registry again, span by span.
#ifndef IMGMOUNT_META_UPKEEP_EVICT_H_
#define IMGMOUNT_META_UPKEEP_EVICT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/store/cache.h"

namespace imgmount {

struct Eviction {
  std::vector<Digest> layers;
  uint64_t bytes = 0;
  // Layers that stay, with the reason: "in use", or an encoding out of which no
  // span can be had alone.
  struct Kept {
    Digest layer;
    std::string why;
  };
  std::vector<Kept> kept;
};

// `text` as for RemoveImage(). A blob that is damaged is kCorrupt and stays as
// it is. Killed at any moment, this leaves layers whole or evicted.
Result<Eviction> EvictImage(const Cache& cache, const std::string& text);

// Whether a layer's bytes are here in parts, or were: it comes as it is read.
bool IsPartial(const Cache& cache, const Digest& layer);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UPKEEP_EVICT_H_
