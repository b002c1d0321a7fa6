// SPDX-License-Identifier: Apache-2.0
// imghistory: the build steps of an image, as `docker history` prints them.
#ifndef IMGMOUNT_TOOLS_IMGHISTORY_H_
#define IMGMOUNT_TOOLS_IMGHISTORY_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImghistoryMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGHISTORY_H_
