// SPDX-License-Identifier: Apache-2.0
// A suggestion for who has mistyped an image's name.
#ifndef IMGMOUNT_FETCH_FIND_SUGGESTION_H_
#define IMGMOUNT_FETCH_FIND_SUGGESTION_H_

#include <string_view>

#include "meta/base/result.h"
#include "meta/store/cache.h"

namespace imgmount {

// The error, with "; did you mean oci:./dir?" behind it if something lies at
// the path that `image` is or names which another transport reads.
Error WithTransport(const Error& error, std::string_view image);

// The error; where it says that there is no such image, with what may have been
// meant behind it: a file of that name, else a cached image of a similar one.
// (Registries deny what they do not have.)
Error WithSuggestion(const Error& error, std::string_view name,
                     const Cache& cache);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_SUGGESTION_H_
