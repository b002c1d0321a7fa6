// SPDX-License-Identifier: Apache-2.0
// A template's text as tokens.
#ifndef IMGMOUNT_META_TEMPLATE_LEXER_H_
#define IMGMOUNT_META_TEMPLATE_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount::gotmpl {

enum class TokenKind : uint8_t {
  kText,         // between actions
  kOpen,         // {{
  kClose,        // }}
  kWord,         // an identifier or keyword
  kField,        // .Name, without the dot
  kVariable,     // $name, with the dollar
  kDot,          // . alone
  kString,       // unquoted
  kNumber,       // as written
  kCharacter,    // its code point as a decimal number
  kPunctuation,  // | ( ) , = :=
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;
  size_t offset;     // in the template, for messages
  bool after_space;  // ".A .B" is two operands, ".A.B" one
};

// Ends with a kEnd token.
Result<std::vector<Token>> Lex(std::string_view text);

// "template: at byte 7: …"
Failure TemplateError(size_t offset, std::string_view problem);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_LEXER_H_
