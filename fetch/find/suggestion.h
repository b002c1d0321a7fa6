// SPDX-License-Identifier: Apache-2.0
// A suggestion for who has mistyped an image's name.
#ifndef IMGMOUNT_FETCH_FIND_SUGGESTION_H_
#define IMGMOUNT_FETCH_FIND_SUGGESTION_H_

#include <string_view>

#include "meta/base/result.h"
#include "meta/store/cache.h"

namespace imgmount {

// The error; where it says that there is no such image, with a cached one that
// has a similar name behind it. (Registries deny what they do not have.)
Error WithSuggestion(const Error& error, std::string_view name,
                     const Cache& cache);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_SUGGESTION_H_
