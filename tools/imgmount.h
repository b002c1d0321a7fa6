// SPDX-License-Identifier: Apache-2.0
// imgmount: mounts a container image.
#ifndef IMGMOUNT_TOOLS_IMGMOUNT_H_
#define IMGMOUNT_TOOLS_IMGMOUNT_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

// REQUIRES: no other thread in this process, unless --foreground is given.
int ImgmountMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGMOUNT_H_
