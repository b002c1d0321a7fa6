// SPDX-License-Identifier: Apache-2.0
// LayerFacts: what the first pass over a layer found out, in a few lines of
// JSON beside its other derived files. Written last: where it stands, the
// others stood as well.
#ifndef IMGMOUNT_META_STORE_LAYER_FACTS_H_
#define IMGMOUNT_META_STORE_LAYER_FACTS_H_

#include <cstdint>
#include <optional>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/layer/first_pass.h"
#include "meta/store/cache.h"

namespace imgmount {

struct LayerFacts {
  DiffId diff_id;  // as hashed, not as promised
  uint64_t uncompressed_size = 0;
  uint64_t diff_size = 0;  // as LayerIndex::diff_size()
  // By another algorithm, once a config asked for it.
  std::optional<DiffId> other_diff_id = {};

  // nullopt: nobody has hashed by that algorithm yet.
  std::optional<DiffId> DiffIdBy(DigestAlgorithm algorithm) const;
};

// kNotFound (so, too, for what an older imgmount wrote down), or kCorrupt for a
// file that is not intact.
Result<LayerFacts> LoadFacts(const Cache& cache, const Digest& layer);

// Ends a pass whose folder is the layer's, and writes the facts down, beside
// a diff ID by another algorithm that is known already.
Result<FirstPassResult> FinishPass(const Cache& cache, FirstPass& pass);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_LAYER_FACTS_H_
