// SPDX-License-Identifier: Apache-2.0
// The values that a template computes with.
#ifndef IMGMOUNT_META_TEMPLATE_VALUE_H_
#define IMGMOUNT_META_TEMPLATE_VALUE_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "meta/base/result.h"
#include "meta/template/go_type.h"

namespace imgmount::gotmpl {

using Json = nlohmann::ordered_json;
using Kind = GoType::Kind;

// json.Number, and the types of what is in other values of no known type.
extern const GoType kGoNumber;
extern const GoType kGoAnyList;
extern const GoType kGoAnyMap;

// A JSON value, its own or a part of the data, and its type in Go. JSON that
// does not fit the type it should have is taken for what it is. Cheap to copy.
class Value {
 public:
  // Nothing: nil, and what a map does not have.
  Value() = default;
  Value(Json json, const GoType& type)
      : Value(Make(std::make_shared<const Json>(std::move(json)), type)) {}
  explicit Value(std::string text) : Value(Json(std::move(text)), kGoString) {}
  // Refers to data that outlives the value.
  static Value Of(const Json& json, const GoType& type);
  static Value Zero(const GoType& type);
  // A constant in a template: null, a bool, an int, a float64 or a string.
  static Value Literal(const Json& json);

  bool is_nothing() const { return type_ == nullptr; }
  // REQUIRES: it is not nothing.
  const GoType& type() const { return *type_; }
  const Json& json() const { return *json_; }

  bool Is(Kind kind) const { return type_ != nullptr && type_->kind == kind; }
  bool Is(const GoType& type) const { return type_ == &type; }
  // Nothing, and slices, maps and pointers that are nil.
  bool is_nil() const { return is_nothing() || json_->is_null(); }
  // Has string for its kind, as json.Number has too.
  bool is_text() const { return Is(Kind::kString); }
  bool is_list() const { return Is(Kind::kSlice); }
  bool is_map() const { return Is(Kind::kMap); }
  bool is_integer() const { return Is(Kind::kInt); }

  const std::string& text() const {  // of kString and kTime
    return json_->get_ref<const std::string&>();
  }
  int64_t integer() const { return json_->get<int64_t>(); }
  double number() const { return json_->get<double>(); }  // of kFloat

  // For slices and maps; nil ones are empty.
  size_t size() const { return json_->is_null() ? 0 : json_->size(); }
  Value element(size_t i) const;                             // of a slice
  std::vector<std::pair<std::string, Value>> Items() const;  // of a map, sorted
  // For a map: what it has there, else nothing.
  Value Get(const std::string& key) const;
  // In the struct's order. An embedded struct is one.
  std::vector<std::pair<std::string_view, Value>> Fields() const;
  // The value that a pointer points to; others, and nil, as they are.
  Value Indirect() const;

  // Go's idea of true: not zero, not empty.
  bool Truth() const;
  // Field of a struct or key of a map. With `strict` a key that a map does not
  // have is an error. Errors have no position yet.
  Result<Value> Field(const std::string& name, bool strict) const;
  // For messages: "string", "list", "time.Duration", …
  std::string_view Description() const;

 private:
  Value(std::shared_ptr<const Json> json, const GoType* type)
      : json_(std::move(json)), type_(type) {}
  static Value Make(std::shared_ptr<const Json> json, const GoType& type);
  // The part of a value.
  Value Part(const Json& json, const GoType& type) const {
    return Make({json_, &json}, type);
  }

  std::shared_ptr<const Json> json_;
  const GoType* type_ = nullptr;
};

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_VALUE_H_
