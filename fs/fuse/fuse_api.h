// SPDX-License-Identifier: Apache-2.0
// The version of libfuse's interface that fs/ is written for.
#ifndef IMGMOUNT_FS_FUSE_FUSE_API_H_
#define IMGMOUNT_FS_FUSE_FUSE_API_H_

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#endif  // IMGMOUNT_FS_FUSE_FUSE_API_H_
