// SPDX-License-Identifier: Apache-2.0
// Methods that templates may call: those of time.Time, time.Duration and
// json.Number.
#ifndef IMGMOUNT_META_TEMPLATE_METHODS_H_
#define IMGMOUNT_META_TEMPLATE_METHODS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/template/value.h"

namespace imgmount::gotmpl {

bool HasMethod(const Value& value, std::string_view name);
// One that it has. kUsage for arguments that it does not take.
Result<Value> CallMethod(const Value& value, std::string_view name,
                         std::span<const Value> arguments);

// The result of String(), for a type that has it.
std::optional<std::string> StringMethod(const Value& value);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_METHODS_H_
