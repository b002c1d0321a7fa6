// SPDX-License-Identifier: Apache-2.0
// Text in columns, as it stands on a terminal.
#ifndef IMGMOUNT_META_REPORT_COLUMNS_H_
#define IMGMOUNT_META_REPORT_COLUMNS_H_

#include <string>
#include <string_view>

namespace imgmount {

// Cells of the terminal that UTF-8 text takes: 2 for East Asian wide
// characters, 0 for combining ones. A byte that is no UTF-8 takes one.
size_t DisplayWidth(std::string_view text);

// Cut to `width` cells, the last of them an ellipsis; else as it is.
std::string Ellipsis(std::string_view text, size_t width);

// Replaces tabs by spaces so that cells line up, as Go's text/tabwriter does
// with Docker's settings: a column is at least 10 wide, its cells are followed
// by at least 3 spaces, and it goes on for as long as consecutive lines have
// it. The last cell of a line is in no column.
std::string AlignColumns(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_COLUMNS_H_
