// SPDX-License-Identifier: Apache-2.0
// Go's text/template over JSON values, with the functions of Docker's --format
// (json, split, join, title, lower, upper, pad, truncate) beside Go's own.
//
// A GoType says what the values would be in Go (go_type.h). Where it says
// nothing, objects are maps, and numbers are texts as in Go's json.Number. A
// field that a struct does not have is an error; a key that a map does not have
// gives "<no value>".
//
// Differs from Go: no complex numbers, no function is a value, templates call
// each other 1000 blocks deep at most, and one that runs or prints without end
// is stopped.
#ifndef IMGMOUNT_META_TEMPLATE_TEMPLATE_H_
#define IMGMOUNT_META_TEMPLATE_TEMPLATE_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/template/go_type.h"

namespace imgmount {

class Template {
 public:
  // kUsage says what is wrong and where.
  static Result<Template> Parse(std::string_view text);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // kUsage where the data does not allow what the template asks for.
  Result<std::string> Execute(const nlohmann::ordered_json& data,
                              const GoType& type) const;
  // Over the JSON as it is; here a key that a map does not have is an error.
  Result<std::string> ExecuteRaw(const nlohmann::ordered_json& data) const;
  // With the names of columns for data: Docker's functions leave them as they
  // are. Ends where something is wrong, as Docker does.
  std::string ExecuteHeader(const nlohmann::ordered_json& names) const;

 private:
  struct Body;
  explicit Template(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEMPLATE_TEMPLATE_H_
