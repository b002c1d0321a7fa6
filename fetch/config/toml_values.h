// SPDX-License-Identifier: Apache-2.0
// Values out of a TOML table, with the line in the message when they are of
// another type than they should be.
#ifndef IMGMOUNT_FETCH_CONFIG_TOML_VALUES_H_
#define IMGMOUNT_FETCH_CONFIG_TOML_VALUES_H_

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

// kUsage names file and line of a mistake.
Result<toml::table> ParseToml(std::string_view text,
                              const std::string& file_name);

// "line 3: KEY is not WHAT".
Failure WrongType(const toml::node& node, std::string_view key,
                  std::string_view what);

// "" and false where there is no such key.
Result<std::string> StringIn(const toml::table& table, std::string_view key);
Result<bool> BoolIn(const toml::table& table, std::string_view key);

// The strings of an array; a single string is an array of one.
Result<std::vector<std::string>> StringsIn(const toml::table& table,
                                           std::string_view key);

// The tables of [[key]]; none where there is no such key.
Result<std::vector<const toml::table*>> TablesIn(const toml::table& table,
                                                 std::string_view key);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_TOML_VALUES_H_
