// SPDX-License-Identifier: Apache-2.0
// Writing images of a cache as an oci-archive: an OCI image layout in a tar,
// as skopeo and podman read it.
#ifndef IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_WRITER_H_
#define IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_WRITER_H_

#include <functional>
#include <set>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/store/cache.h"

namespace imgmount {

// The same bytes for the same images. Blobs are hashed on the way: kCorrupt
// for a damaged one. kCancelled once `stopped` answers true.
Status WriteOciArchive(const Cache& cache,
                       const std::vector<Cache::IndexEntry>& images,
                       const std::set<Digest>& blobs, int fd,
                       const std::function<bool()>& stopped);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_WRITER_H_
