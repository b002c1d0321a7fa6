// SPDX-License-Identifier: Apache-2.0
#ifndef IMGMOUNT_META_TEMPLATE_PARSER_H_
#define IMGMOUNT_META_TEMPLATE_PARSER_H_

#include <string_view>

#include "meta/base/result.h"
#include "meta/template/ast.h"

namespace imgmount::gotmpl {

// kUsage says what is wrong and where; unknown functions and variables are.
Result<Templates> ParseTemplate(std::string_view text);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_PARSER_H_
