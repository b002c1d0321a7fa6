// SPDX-License-Identifier: Apache-2.0
// Images out of a cache into a file, and back.
#ifndef IMGMOUNT_FETCH_CACHE_TRANSFER_H_
#define IMGMOUNT_FETCH_CACHE_TRANSFER_H_

#include <string>
#include <vector>

#include "fetch/progress/pull_progress.h"
#include "meta/base/cancel_flag.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/store/cache.h"

namespace imgmount {

// Writes cached images with all their platforms that are here to an
// oci-archive. The file appears when it is complete. kNotFound for an image
// whose layers are not all here.
Status ExportImages(const std::vector<std::string>& images,
                    const std::string& file, const Cache& cache,
                    const CancelFlag* cancel);

// Takes in every image of an oci-archive under its own name, with all its
// platforms that are there. `name` is for one that has none, or a tag alone.
// Prints what it took in, and warns of images whose names it does not know; it
// fails if there are only such. `cancel` may be null, in both.
Status ImportImages(const std::string& file, const std::string& name,
                    const Cache& cache, const CancelFlag* cancel,
                    const ProgressFactory& progress, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CACHE_TRANSFER_H_
