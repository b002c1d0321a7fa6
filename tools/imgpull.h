// SPDX-License-Identifier: Apache-2.0
// imgpull: downloads images into the cache, as `docker pull` does.
#ifndef IMGMOUNT_TOOLS_IMGPULL_H_
#define IMGMOUNT_TOOLS_IMGPULL_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgpullMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGPULL_H_
