// SPDX-License-Identifier: Apache-2.0
// Verifying a cache: every blob is hashed, every derived file read through.
#ifndef IMGMOUNT_META_UPKEEP_VERIFY_H_
#define IMGMOUNT_META_UPKEEP_VERIFY_H_

#include <functional>
#include <string>
#include <vector>

#include "meta/store/cache.h"
#include "meta/upkeep/inventory.h"

namespace imgmount {

struct Damage {
  CacheItem item;
  std::string what;
};

struct Verification {
  size_t blobs = 0;
  size_t layers = 0;
  size_t trees = 0;
  size_t busy = 0;  // layers that are being pulled just now: left out
  std::vector<Damage> damage;
};

// Images that have been pulled miss no layer, blobs hold what their names say,
// and index, span table and every block of every layer, and every tree, are
// intact. A folder that a killed process left incomplete is no damage, nor are
// states that another build of ISA-L saved: they are made anew when needed.
// kCancelled once `stopped` answers true.
Result<Verification> VerifyCache(const Cache& cache,
                                 const std::function<bool()>& stopped);

// Takes what is damaged away, so that it is made anew if it is needed.
Status RemoveDamaged(const Cache& cache, const CacheItem& item);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UPKEEP_VERIFY_H_
