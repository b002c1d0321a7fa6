// SPDX-License-Identifier: Apache-2.0
// imgcache: what the cache holds, and removing, checking, exporting it.
#ifndef IMGMOUNT_TOOLS_IMGCACHE_H_
#define IMGMOUNT_TOOLS_IMGCACHE_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgcacheMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGCACHE_H_
