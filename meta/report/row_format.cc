// SPDX-License-Identifier: Apache-2.0
#include "meta/report/row_format.h"

#include <nlohmann/json.hpp>

#include "meta/report/columns.h"
#include "meta/template/go_type.h"
#include "meta/template/template.h"

namespace imgmount {
namespace {

constexpr std::string_view kTable = "table";

// Without spaces around it, and with tabs and line ends where "\t" and "\n"
// stand: a shell leaves them as they are.
std::string TemplateText(std::string_view format) {
  const size_t first = format.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  format = format.substr(first, format.find_last_not_of(' ') - first + 1);
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    const std::string_view two = format.substr(i, 2);
    if (two == "\\t" || two == "\\n") {
      text += two == "\\t" ? '\t' : '\n';
      ++i;
    } else {
      text += format[i];
    }
  }
  return text;
}

// Docker's rows are structs of strings with a MarshalJSON.
Result<std::string> Execute(const Template& compiled, const FormatRow& row) {
  std::vector<GoField> fields;
  for (auto it = row.fields->begin(); it != row.fields->end(); ++it) {
    const std::string_view name = it.key();
    fields.push_back({.name = name,
                      .type = &kGoString,
                      .in_json = row.data->contains(it.key())});
  }
  const GoType type{.kind = GoType::Kind::kStruct,
                    .name = "row",
                    .fields = fields,
                    .marshals_itself = true};
  return compiled.Execute(*row.fields, type);
}

}  // namespace

Result<std::string> FormatRows(std::string_view format,
                               const nlohmann::ordered_json& headers,
                               const std::vector<FormatRow>& rows) {
  std::string text;
  if (format == "json") format = "{{json .}}";
  const bool is_table = format.starts_with(kTable);
  if (is_table) format.remove_prefix(kTable.size());
  IMGMOUNT_TRY(const Template compiled, Template::Parse(TemplateText(format)));
  if (is_table) {
    text += compiled.ExecuteHeader(headers) + '\n';
  }
  for (const FormatRow& row : rows) {
    IMGMOUNT_TRY(const std::string line, Execute(compiled, row));
    text += line + '\n';
  }
  return is_table ? AlignColumns(text) : text;
}

}  // namespace imgmount
