// imgcache: what the cache holds, and removing, checking, exporting it.
#ifndef IMGMOUNT_FETCH_CACHE_IMGCACHE_MAIN_H_
#define IMGMOUNT_FETCH_CACHE_IMGCACHE_MAIN_H_

#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace imgmount {

int ImgcacheMain(std::vector<std::string> args, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CACHE_IMGCACHE_MAIN_H_
