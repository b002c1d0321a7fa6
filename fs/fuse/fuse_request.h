// SPDX-License-Identifier: Apache-2.0
// FuseRequest: what libfuse receives requests into.
#ifndef IMGMOUNT_FS_FUSE_FUSE_REQUEST_H_
#define IMGMOUNT_FS_FUSE_FUSE_REQUEST_H_

#include <cstddef>
#include <cstdlib>
#include <span>

#include "fs/fuse/fuse_api.h"

namespace imgmount {

// Owns its memory, which libfuse allocates and uses again for the next one.
struct FuseRequest : fuse_buf {
  FuseRequest() : fuse_buf{} {}
  ~FuseRequest() { std::free(mem); }
  FuseRequest(const FuseRequest&) = delete;
  FuseRequest& operator=(const FuseRequest&) = delete;

  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(mem), size};
  }
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_FUSE_REQUEST_H_
