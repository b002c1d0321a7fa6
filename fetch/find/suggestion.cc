// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/suggestion.h"

#include <string>
#include <vector>

#include "meta/store/image_names.h"

namespace imgmount {

Error WithSuggestion(const Error& error, std::string_view name,
                     const Cache& cache) {
  const auto images = cache.List();
  if (!images || (error.code() != ErrorCode::kNotFound &&
                  error.code() != ErrorCode::kDenied)) {
    return error;
  }
  std::vector<std::string> names;
  for (const auto& image : *images) names.push_back(ShownName(image.name));
  return Error(error.code(), error.message() + DidYouMeanImage(name, names),
               error.error_number());
}

}  // namespace imgmount
