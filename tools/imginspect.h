// SPDX-License-Identifier: Apache-2.0
// imginspect: what an image is, as `docker image inspect` prints it.
#ifndef IMGMOUNT_TOOLS_IMGINSPECT_H_
#define IMGMOUNT_TOOLS_IMGINSPECT_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImginspectMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_IMGINSPECT_H_
