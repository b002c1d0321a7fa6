// SPDX-License-Identifier: Apache-2.0
// imgdiff: what changed, between two images or from layer to layer.
#ifndef IMGMOUNT_TOOLS_IMGDIFF_H_
#define IMGMOUNT_TOOLS_IMGDIFF_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

// 0: the same; 1: different; 2: trouble. With one image 0 or 2.
int ImgdiffMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGDIFF_H_
