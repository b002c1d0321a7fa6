// SPDX-License-Identifier: Apache-2.0
// Images out of a cache into a file, and back.
#ifndef IMGMOUNT_FETCH_CACHE_TRANSFER_H_
#define IMGMOUNT_FETCH_CACHE_TRANSFER_H_

#include <string>
#include <vector>

#include "fetch/find/image_finder.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"

namespace imgmount {

// Writes cached images with all their platforms that are here to an
// oci-archive. The file appears when it is complete. kNotFound for an image
// whose layers are not all here.
Status ExportImages(const std::vector<std::string>& images,
                    const std::string& file, const ImageOptions& options,
                    const ToolIo& io);

// Takes in every image of an oci-archive under its own name, with all its
// platforms that are there. `name` is for one that has none, or a tag alone.
// Prints what it took in to io.out.
Status ImportImages(const std::string& file, const std::string& name,
                    const ImageOptions& options, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CACHE_TRANSFER_H_
