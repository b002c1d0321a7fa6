// SPDX-License-Identifier: Apache-2.0
// imgcat: the bytes of an image's files, without a mount.
#ifndef IMGMOUNT_TOOLS_IMGCAT_H_
#define IMGMOUNT_TOOLS_IMGCAT_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgcatMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGCAT_H_
