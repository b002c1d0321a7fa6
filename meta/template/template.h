// SPDX-License-Identifier: Apache-2.0
// Go's text/template over JSON values, as far as Docker's --format has it:
// fields, pipelines, variables, if, with, range, comparisons, and Docker's
// functions (json, split, join, title, lower, upper, pad, truncate) beside
// Go's own. No define, block or template; no html, js or urlquery.
//
// Go's templates see typed structs, where a field that JSON leaves out has a
// zero value. `shape` stands in for the types: an object is a struct with
// these fields, and what it has at a place is what a template sees there when
// the data has nothing. NilList() and NilMap() are the zero values of lists
// and maps. A field that neither has is an error; a key that a map does not
// have gives "<no value>".
#ifndef IMGMOUNT_META_TEMPLATE_TEMPLATE_H_
#define IMGMOUNT_META_TEMPLATE_TEMPLATE_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

// What a shape has where Docker's Go structs have a nil slice, a nil map, and a
// time.Duration of 0, which JSON cannot tell.
nlohmann::ordered_json NilList();
nlohmann::ordered_json NilMap();
nlohmann::ordered_json NoDuration();

class Template {
 public:
  // kUsage says what is wrong and where.
  static Result<Template> Parse(std::string_view text);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // kUsage where the data does not allow what the template asks for.
  Result<std::string> Execute(const nlohmann::ordered_json& data,
                              const nlohmann::ordered_json& shape) const;
  // The same with the names of columns for data: Docker's functions leave them
  // as they are.
  Result<std::string> ExecuteHeader(const nlohmann::ordered_json& names) const;

 private:
  struct Body;
  explicit Template(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEMPLATE_TEMPLATE_H_
