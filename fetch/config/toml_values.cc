// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/toml_values.h"

#include <fmt/format.h>

namespace imgmount {

Result<toml::table> ParseToml(std::string_view text,
                              const std::string& file_name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: line {}: {}", file_name,
                            error.source().begin.line, error.description()));
  }
}

Failure WrongType(const toml::node& node, std::string_view key,
                  std::string_view what) {
  return Fail(ErrorCode::kUsage,
              fmt::format("line {}: {} is not {}", node.source().begin.line,
                          key, what));
}

Result<std::string> StringIn(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::string();
  if (const auto value = node->value_exact<std::string>()) return *value;
  return WrongType(*node, key, "a string");
}

Result<bool> BoolIn(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return false;
  if (const auto value = node->value_exact<bool>()) return *value;
  return WrongType(*node, key, "true or false");
}

Result<std::vector<std::string>> StringsIn(const toml::table& table,
                                           std::string_view key) {
  std::vector<std::string> strings;
  const toml::node* node = table.get(key);
  if (node == nullptr) return strings;
  if (const auto value = node->value_exact<std::string>()) return {{*value}};
  if (!node->is_array()) return WrongType(*node, key, "an array of strings");
  for (const toml::node& element : *node->as_array()) {
    const auto value = element.value_exact<std::string>();
    if (!value) return WrongType(element, key, "an array of strings");
    strings.push_back(*value);
  }
  return strings;
}

Result<std::vector<const toml::table*>> TablesIn(const toml::table& table,
                                                 std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* node = table.get(key);
  if (node == nullptr) return tables;
  if (!node->is_array()) return WrongType(*node, key, "an array of tables");
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) {
      return WrongType(*node, key, "an array of tables");
    }
    tables.push_back(element.as_table());
  }
  return tables;
}

}  // namespace imgmount
