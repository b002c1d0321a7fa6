// SPDX-License-Identifier: Apache-2.0
// Names of cached images, as people see and mistype them.
#ifndef IMGMOUNT_META_STORE_IMAGE_NAMES_H_
#define IMGMOUNT_META_STORE_IMAGE_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

namespace imgmount {

// "nginx:1.25" for "docker.io/library/nginx:1.25"; a name that is no canonical
// reference, as other tools have them, stays as it is.
std::string ShownName(const std::string& name);

// "; did you mean nginx:1.25?" or "", to go behind a message: the closest of
// `shown_names`, or one whose name without its tag is close; "" for a name that
// is one of them.
std::string DidYouMeanImage(std::string_view text,
                            const std::vector<std::string>& shown_names);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_IMAGE_NAMES_H_
