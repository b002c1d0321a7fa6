// SPDX-License-Identifier: Apache-2.0
// Go's fmt.Sprintf, for what templates have.
#ifndef IMGMOUNT_META_TEMPLATE_PRINTF_H_
#define IMGMOUNT_META_TEMPLATE_PRINTF_H_

#include <span>
#include <string>
#include <string_view>

#include "meta/template/value.h"

namespace imgmount::gotmpl {

// As Go: what does not fit stands in the text, as "%!d(string=x)". Widths and
// precisions beyond 100,000 are taken for that.
std::string GoPrintf(std::string_view format, std::span<const Value> values);

// A Go string constant: "a\tb".
std::string GoQuote(std::string_view text);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_PRINTF_H_
