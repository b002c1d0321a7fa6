// SPDX-License-Identifier: Apache-2.0
// What a tool does that needs an image's layers: pull those that are missing,
// with progress on stderr.
#ifndef IMGMOUNT_FETCH_FIND_PULL_MISSING_H_
#define IMGMOUNT_FETCH_FIND_PULL_MISSING_H_

#include <string>

#include "fetch/find/image_finder.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"

namespace imgmount {

// An image whose layers are all here costs no request and shows nothing.
// `text` is what the user typed.
Status PullMissing(NamedImage& image, const ResolvedImage& resolved,
                   const std::string& text, const ImageOptions& options,
                   const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_PULL_MISSING_H_
