// SPDX-License-Identifier: Apache-2.0
// The comparisons of Go's templates.
#ifndef IMGMOUNT_META_TEMPLATE_COMPARE_H_
#define IMGMOUNT_META_TEMPLATE_COMPARE_H_

#include <compare>

#include "meta/base/result.h"
#include "meta/template/value.h"

namespace imgmount::gotmpl {

// Numbers with numbers of their kind, strings with strings, bools with bools;
// nil with whatever can be nil; structs of one type. kUsage for the rest.
Result<bool> AreEqual(const Value& a, const Value& b);

// Numbers and strings only.
Result<std::partial_ordering> OrderOf(const Value& a, const Value& b);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_COMPARE_H_
