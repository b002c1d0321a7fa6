// SPDX-License-Identifier: Apache-2.0
// Whatever the template: an error or a text.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "meta/template/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using imgmount::Template;
  static const auto kData = nlohmann::ordered_json::parse(
      R"({"S":"text","N":-7,"F":0.5,"B":true,"L":["a","b",1,null],
          "M":{"k":"v","z":{"y":[1]}}})");
  static const nlohmann::ordered_json kShape = {{"S", ""},
                                                {"N", 0},
                                                {"L", imgmount::NilList()},
                                                {"M", imgmount::NilMap()},
                                                {"NoList", imgmount::NilList()},
                                                {"NoMap", imgmount::NilMap()},
                                                {"T", {{"X", ""}}}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = Template::Parse(text);
  if (!parsed) return 0;
  (void)parsed->Execute(kData, kShape);
  (void)parsed->ExecuteHeader(kShape);
  return 0;
}
