// SPDX-License-Identifier: Apache-2.0
// Rows by a --format of Docker's: a template per row, or with "table " in
// front aligned below a line of headers.
#ifndef IMGMOUNT_META_REPORT_ROW_FORMAT_H_
#define IMGMOUNT_META_REPORT_ROW_FORMAT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

struct FormatRow {
  // Printed by {{json .}}.
  const nlohmann::ordered_json* data;
  // All fields there are.
  const nlohmann::ordered_json* fields;
};

// "json" is a line of JSON per row. In a template, \t and \n may be written
// out. kUsage where there is something wrong with it.
Result<std::string> FormatRows(std::string_view format,
                               const nlohmann::ordered_json& headers,
                               const std::vector<FormatRow>& rows);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_ROW_FORMAT_H_
