// SPDX-License-Identifier: Apache-2.0
// Text from outside (names, messages, labels) as it may be shown: nothing
// reaches a terminal that it would obey.
#ifndef IMGMOUNT_META_TEXT_PRINTABLE_H_
#define IMGMOUNT_META_TEXT_PRINTABLE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace imgmount {

// One line for people. Valid UTF-8 stays as it is; control characters,
// backslashes and bytes that are no text become \n, \t, \\ or \xNN. Where it
// would get longer than `limit` bytes it is cut, and ends in an ellipsis.
std::string Printable(std::string_view bytes,
                      size_t limit = std::string_view::npos);

// The same for text of several lines: line ends, tabs and backslashes stay.
std::string PrintableLines(std::string_view bytes);

// For messages: in quotes, \xNN for all but visible ASCII and spaces, at most
// 200 bytes of it.
std::string Quoted(std::string_view bytes);

// One word for programs to read: \xNN for all but visible ASCII, and for the
// backslash.
std::string EscapeBytes(std::string_view bytes);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEXT_PRINTABLE_H_
