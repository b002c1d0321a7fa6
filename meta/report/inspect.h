// SPDX-License-Identifier: Apache-2.0
// An image's description as `docker image inspect` has it.
#ifndef IMGMOUNT_META_REPORT_INSPECT_H_
#define IMGMOUNT_META_REPORT_INSPECT_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "meta/image/image.h"
#include "meta/image/reference.h"
#include "meta/store/cache.h"

namespace imgmount {

// Docker's two notions of an image's Id: the digest of its config, or, in the
// containerd store, of what its name stands for.
enum class IdKind { kConfig, kManifest };

// Docker's object, with its keys in its order. Names are those the cache has
// for the image, and `asked`, the reference by which it was found. Size counts
// file contents, as Docker does, when all layers have been indexed; else it is
// what the layers take as published. GraphDriver tells where the image is
// mounted, if it is. kManifest adds the Descriptor.
Result<nlohmann::ordered_json> InspectImage(
    const Image& image, const std::optional<Reference>& asked,
    const Cache& cache, IdKind id = IdKind::kConfig);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_INSPECT_H_
