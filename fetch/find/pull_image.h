// SPDX-License-Identifier: Apache-2.0
// From a named image's documents to its layers in the cache.
#ifndef IMGMOUNT_FETCH_FIND_PULL_IMAGE_H_
#define IMGMOUNT_FETCH_FIND_PULL_IMAGE_H_

#include <string>

#include "fetch/find/named_image.h"
#include "fetch/progress/pull_progress.h"
#include "fetch/source/pull_observer.h"
#include "fetch/source/source.h"
#include "meta/base/result.h"

namespace imgmount {

// Pulls the layers into the image's own cache and points its name at them; then
// the cache is kept below its size, if it has one.
Status PullImage(NamedImage& image, const ResolvedImage& resolved,
                 PullObserver& observer);

// The same, but an image whose layers are all here costs no request and shows
// nothing. `text` is what the user typed.
Status PullMissing(NamedImage& image, const ResolvedImage& resolved,
                   const std::string& text, PullProgress& progress);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_PULL_IMAGE_H_
