// SPDX-License-Identifier: Apache-2.0
// Go's fmt, as templates print by it.
#ifndef IMGMOUNT_META_TEMPLATE_GO_FMT_H_
#define IMGMOUNT_META_TEMPLATE_GO_FMT_H_

#include <span>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/template/value.h"

namespace imgmount::gotmpl {

// No text that a template makes is longer.
inline constexpr size_t kMaxText = 64 << 20;

// Prints a value as an action does: for a pointer what it points to, and
// "<no value>" for nothing.
std::string Print(const Value& value);

// fmt.Sprint and fmt.Sprintln. A pointer shows what it points to, with "&" in
// front, where Go prints an address within others.
std::string Sprint(std::span<const Value> values);
std::string Sprintln(std::span<const Value> values);

// fmt.Sprintf: what does not fit stands in the text, as "%!d(string=x)".
// kUsage for more than kMaxText.
Result<std::string> Sprintf(std::string_view format,
                            std::span<const Value> values);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_GO_FMT_H_
