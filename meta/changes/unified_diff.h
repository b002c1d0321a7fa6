// SPDX-License-Identifier: Apache-2.0
// The differences of two texts as `diff -u` prints them.
#ifndef IMGMOUNT_META_CHANGES_UNIFIED_DIFF_H_
#define IMGMOUNT_META_CHANGES_UNIFIED_DIFF_H_

#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

// The hunks, with the two lines that name the sides before them; empty where
// the texts are equal. By diff(1), which every system has.
Result<std::string> UnifiedDiff(std::string_view a, std::string_view b,
                                const std::string& label_a,
                                const std::string& label_b);

// Whether git would show it as text: no NUL among its first 8000 bytes.
bool IsText(std::string_view bytes);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_UNIFIED_DIFF_H_
