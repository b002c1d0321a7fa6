// SPDX-License-Identifier: Apache-2.0
// Names out of images on a terminal or in a line of text.
#ifndef IMGMOUNT_META_DIFF_PRINTABLE_H_
#define IMGMOUNT_META_DIFF_PRINTABLE_H_

#include <string>
#include <string_view>

namespace imgmount {

// Valid UTF-8 stays as it is; control characters, backslashes and bytes that
// are no text become \n, \t, \\ or \xNN, so that a line stays a line and
// nothing reaches the terminal that it would obey.
std::string Printable(std::string_view bytes);

bool IsUtf8(std::string_view bytes);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_PRINTABLE_H_
