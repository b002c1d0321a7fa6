// SPDX-License-Identifier: Apache-2.0
// UseLock: "this image is in use, keep its files".
//
// Whoever reads an image's layers for longer than a moment, or is about to
// pull them, holds a UseLock: a mount for as long as it is mounted, a pull from
// before it asks which blobs are there, imgdiff while it compares. imgcache
// rm, prune and --cache-max-size leave alone what a held lock lists.
//
// It is a shared flock(2) on <cache>/imgmount/locks/use-<manifest digest>, so
// it ends with the process, however that ends, and passes to a forked child (a
// mount that goes into the background needs nothing more). The file lists the
// layers' digests, so that an image whose tag has moved, or that lies in
// another layout (oci:DIR), is protected as well. Its time is the image's
// "last used".
#ifndef IMGMOUNT_META_STORE_USE_LOCK_H_
#define IMGMOUNT_META_STORE_USE_LOCK_H_

#include <ctime>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/image/image.h"
#include "meta/store/cache.h"

namespace imgmount {

class UseLock {
 public:
  // Waits for a removal that is under way, never for other users.
  static Result<UseLock> Hold(const Cache& cache, const Image& image);

 private:
  explicit UseLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// A manifest that is in use, as the lock files tell.
struct Use {
  Digest manifest;
  std::vector<Digest> blobs;  // manifest, config, layers, index
  std::time_t last_used = 0;
  bool held = false;  // by somebody, now
};

// The right to remove: until it ends, nobody new gets a UseLock, so what no
// held lock lists may be deleted. One at a time.
class RemovalLock {
 public:
  static Result<RemovalLock> Acquire(const Cache& cache);

  // All uses known, in no order.
  Result<std::vector<Use>> Uses() const;
  // Forgets an image that nobody holds.
  Status Forget(const Use& use) const;

 private:
  RemovalLock(UniqueFd fd, std::filesystem::path folder)
      : fd_(std::move(fd)), folder_(std::move(folder)) {}
  UniqueFd fd_;
  std::filesystem::path folder_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_USE_LOCK_H_
