// SPDX-License-Identifier: Apache-2.0
// Base64 of RFC 4648, section 4, by OpenSSL.
#ifndef IMGMOUNT_META_BASE_BASE64_H_
#define IMGMOUNT_META_BASE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace imgmount {

std::string ToBase64(std::string_view text);

// Padding may be missing, as in some configuration files.
std::optional<std::string> FromBase64(std::string text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_BASE64_H_
