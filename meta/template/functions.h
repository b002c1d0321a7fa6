// SPDX-License-Identifier: Apache-2.0
// The functions that templates call, but for "and" and "or", which do not
// evaluate all of their arguments.
#ifndef IMGMOUNT_META_TEMPLATE_FUNCTIONS_H_
#define IMGMOUNT_META_TEMPLATE_FUNCTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/template/value.h"

namespace imgmount::gotmpl {

// Includes "and" and "or".
bool IsFunction(std::string_view name);
std::string FunctionNames();

// kUsage for arguments that the function does not take. With `header`,
// Docker's functions on texts give their first argument back.
Result<Value> CallFunction(std::string_view name,
                           const std::vector<Value>& arguments, bool header);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_FUNCTIONS_H_
