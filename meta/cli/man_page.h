// SPDX-License-Identifier: Apache-2.0
// A tool's manual page, made from the same declarations as its --help.
#ifndef IMGMOUNT_META_CLI_MAN_PAGE_H_
#define IMGMOUNT_META_CLI_MAN_PAGE_H_

#include <string>

namespace CLI {
class App;
}

namespace imgmount {

// In the man(7) macros. Options come from the declarations; of the footer,
// "Examples:", "Environment:" and "Exit status: …" become sections, indented
// lines stay as they are, and the rest is the description.
std::string ManPage(const CLI::App& app);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_MAN_PAGE_H_
