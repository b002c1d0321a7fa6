// SPDX-License-Identifier: Apache-2.0
// imgexport: the files of an image as a tar, without a mount.
#ifndef IMGMOUNT_TOOLS_IMGEXPORT_H_
#define IMGMOUNT_TOOLS_IMGEXPORT_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgexportMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGEXPORT_H_
