// SPDX-License-Identifier: Apache-2.0
#include "meta/image/json.h"

#include <fmt/format.h>

#include <exception>
#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

// Bounds what the parser will build before it builds anything: up to the first
// syntax error, where the parser stops as well, the count is exact.
Status CheckShape(std::string_view text, std::string_view what) {
  size_t depth = 0;
  size_t values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    if (c == '{' || c == '[' || c == ',') ++values;
    if (depth > kMaxJsonDepth) {
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format("{}: nested deeper than {} levels", what, kMaxJsonDepth));
    }
    if (values > kMaxJsonValues) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: more than {} values", what, kMaxJsonValues));
    }
  }
  return {};
}

template <typename Json>
Result<Json> Parse(std::string_view text, std::string_view what, size_t limit) {
  if (text.size() > limit) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: larger than {} bytes", what, limit));
  }
  IMGMOUNT_CHECK(CheckShape(text, what));
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const typename Json::parse_error& error) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: not valid JSON at byte {}", what, error.byte));
  } catch (const std::exception&) {  // a number out of range
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: not valid JSON", what));
  }
}

}  // namespace

Result<nlohmann::json> ParseJson(std::string_view text, std::string_view what,
                                 size_t limit) {
  return Parse<nlohmann::json>(text, what, limit);
}

Result<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                std::string_view what,
                                                size_t limit) {
  return Parse<nlohmann::ordered_json>(text, what, limit);
}

std::optional<std::string> StringMember(const nlohmann::json& value,
                                        const char* key) {
  if (!value.is_object()) return {};
  const auto member = value.find(key);
  if (member == value.end() || !member->is_string()) return {};
  return member->get<std::string>();
}

Result<JsonObject> JsonObject::Of(const nlohmann::json& value,
                                  std::string_view what) {
  if (!value.is_object()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: must be a JSON object", what));
  }
  return JsonObject(value, std::string(what), "");
}

Failure JsonObject::Wrong(std::string_view key,
                          std::string_view problem) const {
  std::string field = path_;
  if (!field.empty() && !key.empty()) field += '.';
  field += key;
  if (!field.empty()) field += ": ";
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{}: {}{}", what_, field, problem));
}

const nlohmann::json* JsonObject::Find(const char* key) const {
  const auto it = value_->find(key);
  return it == value_->end() || it->is_null() ? nullptr : &*it;
}

bool JsonObject::Has(const char* key) const { return Find(key) != nullptr; }

Result<std::string> JsonObject::String(const char* key) const {
  const auto* value = Find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return Wrong(key, "must be a string");
  return value->get_ref<const std::string&>();
}

Result<bool> JsonObject::Bool(const char* key) const {
  const auto* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return Wrong(key, "must be true or false");
  return value->get<bool>();
}

Result<std::optional<uint64_t>> JsonObject::Number(const char* key) const {
  const auto* value = Find(key);
  if (value == nullptr) return std::optional<uint64_t>();
  if (!value->is_number_unsigned() || value->get<uint64_t>() > INT64_MAX) {
    return Wrong(key, "must be a whole number from 0 to 2^63-1");
  }
  return std::optional(value->get<uint64_t>());
}

Result<const nlohmann::json*> JsonObject::Array(const char* key) const {
  static const nlohmann::json kNone = nlohmann::json::array();
  const auto* value = Find(key);
  if (value == nullptr) return &kNone;
  if (!value->is_array()) return Wrong(key, "must be an array");
  return value;
}

Result<std::vector<std::string>> JsonObject::Strings(const char* key) const {
  IMGMOUNT_TRY(const auto* array, Array(key));
  std::vector<std::string> strings;
  for (const auto& item : *array) {
    if (!item.is_string()) return Wrong(key, "must be an array of strings");
    strings.push_back(item.get_ref<const std::string&>());
  }
  return strings;
}

Result<std::map<std::string, std::string>> JsonObject::StringMap(
    const char* key) const {
  std::map<std::string, std::string> map;
  const auto* value = Find(key);
  if (value == nullptr) return map;
  if (!value->is_object()) return Wrong(key, "must be an object");
  for (const auto& [name, item] : value->items()) {
    if (!item.is_string()) return Wrong(key, "must hold strings only");
    map.emplace(name, item.get_ref<const std::string&>());
  }
  return map;
}

Result<std::vector<JsonObject>> JsonObject::Objects(const char* key) const {
  IMGMOUNT_TRY(const auto* array, Array(key));
  std::vector<JsonObject> objects;
  for (const auto& item : *array) {
    const auto name = fmt::format("{}[{}]", key, objects.size());
    if (!item.is_object()) return Wrong(name, "must be an object");
    objects.push_back(
        JsonObject(item, what_, path_.empty() ? name : path_ + '.' + name));
  }
  return objects;
}

Result<std::optional<JsonObject>> JsonObject::Object(const char* key) const {
  const auto* value = Find(key);
  if (value == nullptr) return std::optional<JsonObject>();
  if (!value->is_object()) return Wrong(key, "must be an object");
  return std::optional(
      JsonObject(*value, what_, path_.empty() ? key : path_ + '.' + key));
}

}  // namespace imgmount
