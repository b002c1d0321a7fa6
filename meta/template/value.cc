// SPDX-License-Identifier: Apache-2.0
#include "meta/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "meta/base/zoned_time.h"
#include "meta/text/printable.h"

namespace imgmount::gotmpl {

const GoType kGoNumber{Kind::kString, "json.Number"};
const GoType kGoAnyList{Kind::kSlice, "[]interface {}", &kGoAny};
const GoType kGoAnyMap{Kind::kMap, "map[string]interface {}", &kGoAny};

namespace {

bool FitsInt(const Json& json) {
  return json.is_number_integer() &&
         (!json.is_number_unsigned() ||
          json.get<uint64_t>() <= std::numeric_limits<int64_t>::max());
}

bool Fits(const Json& json, const GoType& type) {
  switch (type.kind) {
    case Kind::kAny:
      break;
    case Kind::kBool:
      return json.is_boolean();
    case Kind::kInt:
      return FitsInt(json);
    case Kind::kFloat:
      return json.is_number();
    case Kind::kString:
      return json.is_string();
    case Kind::kTime:
      return json.is_string() &&
             ZonedTime::Parse(json.get_ref<const std::string&>()).has_value();
    case Kind::kSlice:
      return json.is_array();
    case Kind::kMap:
    case Kind::kStruct:
    case Kind::kPointer:
      return json.is_object();
  }
  return false;
}

bool CanBeNil(const GoType& type) {
  return type.kind == Kind::kSlice || type.kind == Kind::kMap ||
         type.kind == Kind::kPointer;
}

Json ZeroOf(const GoType& type) {
  switch (type.kind) {
    case Kind::kBool:
      return false;
    case Kind::kInt:
      return 0;
    case Kind::kFloat:
      return 0.0;
    case Kind::kString:
      return "";
    case Kind::kTime:
      return "0001-01-01T00:00:00Z";
    case Kind::kStruct:
      return Json::object();
    default:
      return nullptr;
  }
}

}  // namespace

Value Value::Of(const Json& json, const GoType& type) {
  return Make({std::shared_ptr<const Json>(), &json}, type);
}

Value Value::Zero(const GoType& type) { return Value(ZeroOf(type), type); }

Value Value::Literal(const Json& json) {
  if (json.is_null()) return {};
  return Value(json, json.is_boolean()          ? kGoBool
                     : json.is_number_integer() ? kGoInt
                     : json.is_number()         ? kGoFloat64
                                                : kGoString);
}

Value Value::Make(std::shared_ptr<const Json> json, const GoType& type) {
  if (Fits(*json, type)) return {std::move(json), &type};
  if (json->is_null()) {
    if (type.kind == Kind::kAny) return {};
    return CanBeNil(type) ? Value(std::move(json), &type) : Zero(type);
  }
  if (json->is_boolean()) return {std::move(json), &kGoBool};
  if (json->is_string()) return {std::move(json), &kGoString};
  if (json->is_array()) return {std::move(json), &kGoAnyList};
  if (json->is_object()) return {std::move(json), &kGoAnyMap};
  return {std::make_shared<const Json>(json->dump()), &kGoNumber};
}

Value Value::element(size_t i) const {
  return Part((*json_)[i], *type_->element);
}

std::vector<std::pair<std::string, Value>> Value::Items() const {
  std::vector<std::pair<std::string, Value>> items;
  if (is_nil()) return items;
  for (const auto& [key, item] : json_->items()) {
    items.emplace_back(key, Part(item, *type_->element));
  }
  std::sort(items.begin(), items.end(),
            [](const auto& x, const auto& y) { return x.first < y.first; });
  return items;
}

Value Value::Get(const std::string& key) const {
  if (is_nil()) return {};
  const auto it = json_->find(key);
  return it == json_->end() ? Value() : Part(*it, *type_->element);
}

std::vector<std::pair<std::string_view, Value>> Value::Fields() const {
  std::vector<std::pair<std::string_view, Value>> fields;
  for (const GoField& field : type_->fields) {
    if (field.embedded) {
      fields.emplace_back(field.name, Value(json_, field.type));
      continue;
    }
    const auto it = json_->find(field.key);
    fields.emplace_back(field.name, it == json_->end()
                                        ? Zero(*field.type)
                                        : Part(*it, *field.type));
  }
  return fields;
}

Value Value::Indirect() const {
  if (!Is(Kind::kPointer) || is_nil()) return *this;
  return {json_, type_->element};
}

bool Value::Truth() const {
  if (is_nil()) return false;
  switch (type_->kind) {
    case Kind::kBool:
      return json_->get<bool>();
    case Kind::kString:
      return !text().empty();
    case Kind::kInt:
    case Kind::kFloat:
      return *json_ != 0;
    case Kind::kSlice:
    case Kind::kMap:
      return !json_->empty();
    default:
      return true;
  }
}

namespace {

// The names of all fields, those of embedded structs in their place.
void ListFields(const GoType& type, std::string& names) {
  for (const GoField& field : type.fields) {
    if (field.embedded) {
      ListFields(*field.type, names);
    } else {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", field.name);
    }
  }
}

const GoField* FindField(const GoType& type, std::string_view name) {
  for (const GoField& field : type.fields) {
    if (field.name == name) return &field;
    if (!field.embedded) continue;
    if (const GoField* inner = FindField(*field.type, name)) return inner;
  }
  return nullptr;
}

}  // namespace

Result<Value> Value::Field(const std::string& name, bool strict) const {
  const auto no_key = [&] {
    return Fail(ErrorCode::kUsage, "no key " + Quoted(name));
  };
  if (is_nothing()) {
    if (strict) return no_key();
    return Value();
  }
  const Value value = Indirect();
  if (value.Is(Kind::kStruct)) {
    const GoField* field = FindField(*value.type_, name);
    if (field == nullptr) {
      std::string names;
      ListFields(*value.type_, names);
      return Fail(ErrorCode::kUsage, fmt::format("no field {}; there are {}",
                                                 Quoted(name), names));
    }
    if (field->embedded) return Value(value.json_, field->type);
    const auto it = value.json_->find(field->key);
    if (it == value.json_->end()) return Zero(*field->type);
    return value.Part(*it, *field->type);
  }
  if (value.is_map()) {
    Value found = value.Get(name);
    const bool there = !value.is_nil() && value.json_->contains(name);
    if (strict && !there) return no_key();
    return found;
  }
  return Fail(ErrorCode::kUsage,
              fmt::format("no field {} in a value of type {}", Quoted(name),
                          Description()));
}

std::string_view Value::Description() const {
  if (is_nothing()) return "nil";
  switch (type_->kind) {
    case Kind::kSlice:
      return "list";
    case Kind::kMap:
      return "map";
    case Kind::kStruct:
      return "struct";
    case Kind::kPointer:
      return is_nil() ? "nil" : "struct";
    default:
      return type_->name;
  }
}

}  // namespace imgmount::gotmpl
