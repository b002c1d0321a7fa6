// SPDX-License-Identifier: Apache-2.0
// Types of Go's, as far as a template can tell them apart.
//
// Docker's templates see values of Go's types: structs whose fields have zero
// values where JSON leaves them out, maps, pointers that may be nil. What is
// printed, compared and called depends on them. Here the values are JSON, and
// a GoType says what they would be in Go. Constants: nothing owns a type.
#ifndef IMGMOUNT_META_TEMPLATE_GO_TYPE_H_
#define IMGMOUNT_META_TEMPLATE_GO_TYPE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace imgmount {

struct GoField;

struct GoType {
  enum class Kind : uint8_t {
    kAny,  // interface {}: what the JSON is; its numbers are json.Number
    kBool,
    kInt,
    kFloat,
    kString,
    kTime,  // RFC 3339 in JSON
    kSlice,
    kMap,
    kStruct,
    kPointer,  // to a struct
  };
  Kind kind;
  std::string_view name;                 // as %T prints it
  const GoType* element = nullptr;       // of a slice, map or pointer
  std::span<const GoField> fields = {};  // of a struct, in its order
  bool marshals_itself = false;          // its JSON escapes "<", ">" and "&"
};

struct GoField {
  std::string_view name;  // in templates
  const GoType* type;
  std::string_view key = name;  // in JSON
  // Its own fields are reached without it, and are in the JSON of the outer
  // struct.
  bool embedded = false;
  bool in_json = true;  // whether "json" writes it
};

inline constexpr GoType kGoAny{GoType::Kind::kAny, "interface {}"};
inline constexpr GoType kGoBool{GoType::Kind::kBool, "bool"};
inline constexpr GoType kGoInt{GoType::Kind::kInt, "int"};
inline constexpr GoType kGoInt64{GoType::Kind::kInt, "int64"};
inline constexpr GoType kGoUint8{GoType::Kind::kInt, "uint8"};
inline constexpr GoType kGoFloat64{GoType::Kind::kFloat, "float64"};
inline constexpr GoType kGoString{GoType::Kind::kString, "string"};
inline constexpr GoType kGoDuration{GoType::Kind::kInt, "time.Duration"};
inline constexpr GoType kGoTime{GoType::Kind::kTime, "time.Time"};
inline constexpr GoType kGoStrings{GoType::Kind::kSlice, "[]string",
                                   &kGoString};
inline constexpr GoType kGoStringMap{GoType::Kind::kMap, "map[string]string",
                                     &kGoString};
inline constexpr GoType kGoEmptyStruct{GoType::Kind::kStruct, "struct {}"};
inline constexpr GoType kGoStringSet{GoType::Kind::kMap, "map[string]struct {}",
                                     &kGoEmptyStruct};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEMPLATE_GO_TYPE_H_
