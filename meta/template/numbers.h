// SPDX-License-Identifier: Apache-2.0
// Numbers as Go writes and reads them.
#ifndef IMGMOUNT_META_TEMPLATE_NUMBERS_H_
#define IMGMOUNT_META_TEMPLATE_NUMBERS_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace imgmount::gotmpl {

// strconv.FormatFloat: `verb` is one of eEfFgG; a precision below 0 means as
// many digits as tell the number from its neighbours.
std::string FloatText(double number, char verb, int precision);
// As encoding/json writes it.
std::string FloatJson(double number);

// A constant: "1_000", "0x1F", "-0b11", "017", "1e3", "0x1p4". An integer or a
// float, as its form says; nullopt for what is none or does not fit.
std::optional<nlohmann::ordered_json> ParseNumber(std::string_view text);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_NUMBERS_H_
