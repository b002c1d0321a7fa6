// SPDX-License-Identifier: Apache-2.0
// Making a cache whole again.
#ifndef IMGMOUNT_FETCH_CACHE_REPAIR_H_
#define IMGMOUNT_FETCH_CACHE_REPAIR_H_

#include "fetch/find/fetch_config.h"
#include "fetch/progress/pull_progress.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/upkeep/verify.h"

namespace imgmount {

// Replaces what is damaged: blobs, by digest, from the registries in the
// images' names; derived files from the blobs, without a request where these
// are here. A damaged blob that an image needs stays if it cannot be replaced;
// one that none needs is removed. Where several images cannot be repaired the
// last error is returned and the others are printed to io.err. Each pull shows
// a progress of its own.
Status Repair(const Cache& cache, const Verification& verification,
              const FetchConfig& config, const ProgressFactory& progress,
              const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CACHE_REPAIR_H_
