// SPDX-License-Identifier: Apache-2.0
// What a template computes with.
#ifndef IMGMOUNT_META_TEMPLATE_VALUE_H_
#define IMGMOUNT_META_TEMPLATE_VALUE_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount::gotmpl {

using Json = nlohmann::ordered_json;

// A JSON value, its own or a part of the data, with the part of the shape that
// belongs to it. Cheap to copy.
class Value {
 public:
  Value(Json json)  // NOLINT(google-explicit-constructor)
      : json_(std::make_shared<const Json>(std::move(json))) {}
  // Refers to data that outlives the value; `shape` may be null.
  static Value Of(const Json& json, const Json* shape) {
    return Value({std::shared_ptr<const Json>(), &json}, shape);
  }

  const Json& json() const { return *json_; }

  bool is_struct() const { return shape_ != nullptr && shape_->is_object(); }
  bool is_map() const;
  bool is_list() const;
  bool is_text() const { return json_->is_string(); }
  bool is_integer() const { return json_->is_number_integer(); }
  bool is_duration() const;  // an integer as well
  bool is_nothing() const { return json_->is_null() || json_->is_discarded(); }

  const std::string& text() const {
    return json_->get_ref<const std::string&>();
  }
  // 0 for what is no list and no map; both also stand for nil.
  size_t size() const { return json_->is_structured() ? json_->size() : 0; }
  Value element(const Json& part) const;

  // Go's idea of true: not zero, not empty.
  bool Truth() const;
  // As fmt.Print would print it.
  std::string Print() const;
  // Field of a struct or key of a map. The error has no position yet.
  Result<Value> Field(const std::string& name) const;
  // "string", "int", …
  std::string_view TypeName() const;

 private:
  Value(std::shared_ptr<const Json> json, const Json* shape)
      : json_(std::move(json)), shape_(shape) {}
  std::shared_ptr<const Json> json_;
  const Json* shape_ = nullptr;
};

// What a map has for a key that is not there.
Json NoValue();

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_VALUE_H_
