// imgpull: downloads images into the cache, as `docker pull` does.
#ifndef IMGMOUNT_FETCH_IMGPULL_MAIN_H_
#define IMGMOUNT_FETCH_IMGPULL_MAIN_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgpullMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_IMGPULL_MAIN_H_
