// SPDX-License-Identifier: Apache-2.0
// From a named image's documents to layers that can be shown, with as few bytes
// as that takes.
#ifndef IMGMOUNT_FETCH_LAZY_LAZY_IMAGE_H_
#define IMGMOUNT_FETCH_LAZY_LAZY_IMAGE_H_

#include <memory>
#include <string>

#include "fetch/find/named_image.h"
#include "fetch/lazy/lazy_layers.h"
#include "fetch/progress/pull_progress.h"
#include "fetch/range/range_fetcher.h"
#include "fetch/source/source.h"
#include "meta/base/result.h"

namespace imgmount {

// Indexes the layers that have a table of contents, pulls those that have not,
// all at the same time, and points the image's name at them. What can be shown
// only as a whole is pulled. Null: everything is here, or the image's source
// has no ranges. No thread and no connection is left.
//
// `open` is for whoever reads later, maybe in another process. REQUIRES: a
// UseLock on the image.
Result<std::shared_ptr<const LazyLayers>> PullLazily(
    NamedImage& named, const ResolvedImage& resolved, const std::string& text,
    const LazyBlobs::OpenSource& open, const RangeFetcherOptions& options,
    PullProgress& progress);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_LAZY_IMAGE_H_
