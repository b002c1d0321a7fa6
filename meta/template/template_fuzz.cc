// SPDX-License-Identifier: Apache-2.0
// Whatever the template: an error or a text.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "meta/template/template.h"

namespace imgmount {
namespace {

using Kind = GoType::Kind;

constexpr GoField kInnerFields[] = {{"X", &kGoString}, {"Y", &kGoStrings}};
constexpr GoType kInner{Kind::kStruct, "x.Inner", nullptr, kInnerFields};
constexpr GoType kPointer{Kind::kPointer, "*x.Inner", &kInner};
constexpr GoField kFields[] = {{"S", &kGoString},
                               {"N", &kGoInt64},
                               {"F", &kGoFloat64},
                               {"B", &kGoBool},
                               {"L", &kGoStrings},
                               {"M", &kGoStringMap},
                               {"Set", &kGoStringSet},
                               {"D", &kGoDuration},
                               {"T", &kGoTime},
                               {"P", &kPointer},
                               {"Inner", &kInner, "", true},
                               {"NoList", &kGoStrings},
                               {"NoPointer", &kPointer}};
constexpr GoType kType{Kind::kStruct, "x.Type", nullptr, kFields};

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using imgmount::Template;
  static const auto kData = nlohmann::ordered_json::parse(
      R"({"S":"text","N":-7,"F":0.5,"B":true,"L":["a","b",1,null],
          "M":{"k":"v","z":{"y":[1]}},"Set":{"a":{}},"D":1500000000,
          "T":"2024-02-29T12:34:56.7+01:00","P":{"X":"x"},"Y":["y"]})");
  static const nlohmann::ordered_json kNames = {{"S", "TEXT"}, {"N", "NUMBER"}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = Template::Parse(text);
  if (!parsed) return 0;
  (void)parsed->Execute(kData, imgmount::kType);
  (void)parsed->ExecuteRaw(kData);
  (void)parsed->ExecuteHeader(kNames);
  return 0;
}
