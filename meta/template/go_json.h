// SPDX-License-Identifier: Apache-2.0
// JSON as Go's encoding/json writes it.
#ifndef IMGMOUNT_META_TEMPLATE_GO_JSON_H_
#define IMGMOUNT_META_TEMPLATE_GO_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace imgmount {

inline constexpr int kOneLine = -1;

// Indented by `indent` spaces. With `escape_html` (which Go does unless told
// not to) "<", ">" and "&" become \u003c, \u003e and \u0026.
std::string GoJson(const nlohmann::ordered_json& json, int indent,
                   bool escape_html);
std::string GoJson(const nlohmann::json& json, int indent, bool escape_html);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEMPLATE_GO_JSON_H_
