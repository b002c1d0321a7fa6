// SPDX-License-Identifier: Apache-2.0
// The Warning header (RFC 7234, 5.5), by which registries talk to people
// (distribution-spec, "Warnings").
#ifndef IMGMOUNT_FETCH_HTTP_WARNING_H_
#define IMGMOUNT_FETCH_HTTP_WARNING_H_

#include <string>
#include <string_view>
#include <vector>

namespace imgmount {

// The texts of the warnings `299 - "text"`, printable and short. Other codes
// are of caches, and for programs; from what is malformed on nothing is read.
std::vector<std::string> ParseWarnings(std::string_view header);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_WARNING_H_
