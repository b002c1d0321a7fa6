// SPDX-License-Identifier: Apache-2.0
// A parsed template.
#ifndef IMGMOUNT_META_TEMPLATE_AST_H_
#define IMGMOUNT_META_TEMPLATE_AST_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace imgmount::gotmpl {

struct Operand;
using Command = std::vector<Operand>;

struct Pipeline {
  size_t offset = 0;
  std::vector<std::string> variables = {};  // set to its value: "$x"
  bool declares = false;                    // with ":=", else "="
  std::vector<Command> commands = {};
};

struct Operand {
  enum class Kind : uint8_t {
    kLiteral,
    kDot,
    kVariable,
    kFunction,
    kPipeline,  // in parentheses
  };
  Kind kind = Kind::kDot;
  size_t offset = 0;
  nlohmann::ordered_json literal = {};
  std::string name = {};                 // variable or function
  std::vector<Pipeline> pipeline = {};   // one, of kPipeline
  std::vector<std::string> fields = {};  // taken of it, one after the other
};

struct Node {
  enum class Kind : uint8_t {
    kText,
    kAction,
    kIf,
    kWith,
    kRange,
    kBreak,
    kContinue,
    kTemplate,  // {{template "x" …}}
  };
  Kind kind = Kind::kText;
  std::string text = {};   // or the template's name
  Pipeline pipeline = {};  // of kTemplate without commands where there is none
  std::vector<Node> body = {};
  std::vector<Node> otherwise = {};
};

// Those that are defined, by name; "" is the text itself.
using Templates = std::map<std::string, std::vector<Node>>;

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_AST_H_
