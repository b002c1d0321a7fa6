// SPDX-License-Identifier: Apache-2.0
#include "meta/template/go_json.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace imgmount {
namespace {

// Characters that may stand as they are in JSON, but that Go escapes.
constexpr std::pair<std::string_view, std::string_view> kAlways[] = {
    {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}};
constexpr std::pair<std::string_view, std::string_view> kHtml[] = {
    {"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}};

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

template <typename Json>
std::string Write(const Json& json, int indent, bool escape_html) {
  // All of these can only stand within strings.
  std::string text =
      json.dump(indent, ' ', false, Json::error_handler_t::replace);
  for (const auto& [from, to] : kAlways) ReplaceAll(text, from, to);
  if (!escape_html) return text;
  for (const auto& [from, to] : kHtml) ReplaceAll(text, from, to);
  return text;
}

}  // namespace

std::string GoJson(const nlohmann::ordered_json& json, int indent,
                   bool escape_html) {
  return Write(json, indent, escape_html);
}

std::string GoJson(const nlohmann::json& json, int indent, bool escape_html) {
  return Write(json, indent, escape_html);
}

}  // namespace imgmount
