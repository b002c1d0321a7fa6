// SPDX-License-Identifier: Apache-2.0
// Text made safe for where it goes, as the functions html, js and urlquery of
// Go's templates do.
#ifndef IMGMOUNT_META_TEMPLATE_ESCAPE_H_
#define IMGMOUNT_META_TEMPLATE_ESCAPE_H_

#include <string>
#include <string_view>

namespace imgmount::gotmpl {

std::string EscapeHtml(std::string_view text);
// Within a string of JavaScript.
std::string EscapeJs(std::string_view text);
// Within the query of a URL.
std::string EscapeQuery(std::string_view text);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_ESCAPE_H_
