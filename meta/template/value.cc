// SPDX-License-Identifier: Apache-2.0
#include "meta/template/value.h"

#include <fmt/format.h>

#include <map>

#include "meta/image/json.h"
#include "meta/template/template.h"

namespace imgmount {

namespace {

// JSON has no typed nil. Binary values are of no other use here, and no parser
// makes one.
constexpr uint64_t kNilList = 1;
constexpr uint64_t kNilMap = 2;
constexpr uint64_t kNoDuration = 3;

nlohmann::ordered_json Nil(uint64_t kind) {
  return nlohmann::ordered_json::binary({}, kind);
}

bool IsNil(const nlohmann::ordered_json& json, uint64_t kind) {
  return json.is_binary() && json.get_binary().subtype() == kind;
}

}  // namespace

nlohmann::ordered_json NilList() { return Nil(kNilList); }
nlohmann::ordered_json NilMap() { return Nil(kNilMap); }
nlohmann::ordered_json NoDuration() { return Nil(kNoDuration); }

namespace gotmpl {
namespace {

// As time.Duration prints itself: "1h0m1.5s", "20ms".
std::string DurationText(int64_t nanoseconds) {
  const uint64_t all = nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds)
                                       : static_cast<uint64_t>(nanoseconds);
  constexpr uint64_t kSecond = 1'000'000'000;
  if (all == 0) return "0s";
  // "1.5": what `unit` nanoseconds go into, without zeros at its end.
  const auto decimal = [](uint64_t number, uint64_t unit, int digits) {
    std::string text =
        fmt::format("{}.{:0{}}", number / unit, number % unit, digits);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  std::string text = nanoseconds < 0 ? "-" : "";
  if (all < 1'000) return text + fmt::format("{}ns", all);
  if (all < 1'000'000) return text + decimal(all, 1'000, 3) + "µs";
  if (all < kSecond) return text + decimal(all, 1'000'000, 6) + "ms";
  const uint64_t minutes = all / kSecond / 60;
  if (minutes >= 60) text += fmt::format("{}h", minutes / 60);
  if (minutes > 0) text += fmt::format("{}m", minutes % 60);
  return text + decimal(all % (60 * kSecond), kSecond, 9) + 's';
}

bool IsDuration(const Json* shape) {
  return shape != nullptr && IsNil(*shape, kNoDuration);
}

// The shape of what is in a map or a list: its empty objects are Go's struct{},
// as the ports of a set of ports.
const Json* ShapeOfElement(const Json& element) {
  static const Json kEmptyStruct = Json::object();
  return element.is_object() && element.empty() ? &kEmptyStruct : nullptr;
}

std::string Print(const Json& json, const Json* shape) {
  if (json.is_number_integer() && IsDuration(shape)) {
    return DurationText(json.get<int64_t>());
  }
  switch (json.type()) {
    case Json::value_t::string:
      return json.get_ref<const std::string&>();
    case Json::value_t::null:
      return "<nil>";
    case Json::value_t::discarded:
      return "<no value>";
    case Json::value_t::binary:
      if (IsNil(json, kNoDuration)) return DurationText(0);
      return IsNil(json, kNilMap) ? "map[]" : "[]";
    case Json::value_t::number_float:
      return fmt::format("{:g}", json.get<double>());
    case Json::value_t::array: {
      std::string text = "[";
      for (const Json& item : json) {
        if (text.size() > 1) text += ' ';
        text += Print(item, ShapeOfElement(item));
      }
      return text + ']';
    }
    case Json::value_t::object:
      break;
    default:
      return json.dump();
  }
  if (shape != nullptr && shape->is_object()) {
    std::string text = "{";
    const char* separator = "";
    for (const auto& [name, zero] : shape->items()) {
      text += separator;
      separator = " ";
      const auto it = json.find(name);
      text += it == json.end() || it->is_null() ? Print(zero, nullptr)
                                                : Print(*it, &zero);
    }
    return text + '}';
  }
  std::map<std::string_view, const Json*> sorted;
  for (const auto& [name, item] : json.items()) sorted.emplace(name, &item);
  std::string text = "map[";
  for (const auto& [name, item] : sorted) {
    if (text.size() > 4) text += ' ';
    text += fmt::format("{}:{}", name, Print(*item, ShapeOfElement(*item)));
  }
  return text + ']';
}

}  // namespace

Json NoValue() { return Json(Json::value_t::discarded); }

Value Value::element(const Json& part) const {
  return Value({json_, &part}, ShapeOfElement(part));
}

bool Value::is_duration() const {
  return json_->is_number_integer() && IsDuration(shape_);
}

bool Value::is_map() const {
  return (json_->is_object() && !is_struct()) || IsNil(*json_, kNilMap);
}

bool Value::is_list() const {
  return json_->is_array() || IsNil(*json_, kNilList);
}

bool Value::Truth() const {
  switch (json_->type()) {
    case Json::value_t::boolean:
      return json_->get<bool>();
    case Json::value_t::string:
      return !text().empty();
    case Json::value_t::array:
      return !json_->empty();
    case Json::value_t::object:
      return is_struct() || !json_->empty();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return *json_ != 0;
    default:
      return false;
  }
}

std::string Value::Print() const { return gotmpl::Print(*json_, shape_); }

Result<Value> Value::Field(const std::string& name) const {
  if (json_->is_object()) {
    const auto it = json_->find(name);
    const Json* zero = nullptr;
    if (is_struct()) {
      const auto zero_it = shape_->find(name);
      if (zero_it != shape_->end()) zero = &*zero_it;
    }
    if (it != json_->end() && !(it->is_null() && zero != nullptr)) {
      return Value({json_, &*it}, zero);
    }
    static const Json kZero = 0;
    if (IsDuration(zero)) return Of(kZero, zero);
    if (zero != nullptr) return Of(*zero, zero);
  }
  if (is_struct()) {
    std::string names;
    for (const auto& [known, ignored] : shape_->items()) {
      names += (names.empty() ? "" : ", ") + known;
    }
    return Fail(ErrorCode::kUsage,
                fmt::format("no field {}; there are {}", Quoted(name), names));
  }
  if (is_map()) return Value(NoValue());
  return Fail(ErrorCode::kUsage,
              fmt::format("no field {} in a value of type {}", Quoted(name),
                          TypeName()));
}

std::string_view Value::TypeName() const {
  if (is_struct()) return "struct";
  if (is_map()) return "map";
  if (is_list()) return "list";
  if (is_text()) return "string";
  if (is_integer()) return "int";
  if (json_->is_number_float()) return "float64";
  if (json_->is_boolean()) return "bool";
  return "nil";
}

}  // namespace gotmpl
}  // namespace imgmount
