// SPDX-License-Identifier: Apache-2.0
#include "meta/template/lexer.h"

#include <fmt/format.h>

#include <optional>

#include "meta/template/runes.h"
#include "meta/text/printable.h"
#include "meta/text/utf8.h"

namespace imgmount::gotmpl {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsWord(char c) { return IsWordStart(c) || IsDigit(c); }
bool IsSpace(char c) { return kSpaces.find(c) != std::string_view::npos; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> Run() {
    while (at_ < text_.size()) {
      const size_t open = text_.find("{{", at_);
      std::string_view plain =
          text_.substr(at_, open == std::string_view::npos ? open : open - at_);
      if (trim_) {
        const size_t first = plain.find_first_not_of(kSpaces);
        plain.remove_prefix(std::min(first, plain.size()));
      }
      if (open != std::string_view::npos && HasTrim(open + 2)) {
        plain = plain.substr(0, plain.find_last_not_of(kSpaces) + 1);
      }
      if (!plain.empty()) Add(TokenKind::kText, std::string(plain), at_);
      if (open == std::string_view::npos) break;
      IMGMOUNT_CHECK(Action(open));
    }
    Add(TokenKind::kEnd, "", text_.size());
    return std::move(tokens_);
  }

 private:
  void Add(TokenKind kind, std::string text, size_t offset) {
    tokens_.push_back({kind, std::move(text), offset, space_});
    space_ = false;
  }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool StartsWith(std::string_view what) const {
    return text_.substr(at_).starts_with(what);
  }
  // "- " after "{{".
  bool HasTrim(size_t at) const {
    return at + 1 < text_.size() && text_[at] == '-' && IsSpace(text_[at + 1]);
  }

  // "{{ … }}", or a comment.
  Status Action(size_t open) {
    at_ = open + (HasTrim(open + 2) ? 3 : 2);
    trim_ = false;
    if (size_t start = text_.find_first_not_of(kSpaces, at_);
        start != std::string_view::npos &&
        text_.substr(start).starts_with("/*")) {
      return Comment(open, start);
    }
    Add(TokenKind::kOpen, "{{", open);
    while (true) {
      const size_t before = at_;
      while (IsSpace(Peek()) && at_ < text_.size()) ++at_;
      space_ = at_ > before;
      if (at_ >= text_.size()) return TemplateError(open, "unclosed action");
      if (StartsWith("}}") || (space_ && StartsWith("-}}"))) {
        CloseAction();
        return {};
      }
      IMGMOUNT_CHECK(Item());
    }
  }

  void CloseAction() {
    trim_ = Peek() == '-';
    Add(TokenKind::kClose, "}}", at_);
    at_ += trim_ ? 3 : 2;
  }

  Status Comment(size_t open, size_t start) {
    const size_t end = text_.find("*/", start + 2);
    if (end == std::string_view::npos) {
      return TemplateError(open, "unclosed comment");
    }
    at_ = end + 2;
    if (StartsWith("}}")) {
      at_ += 2;
      return {};
    }
    if (IsSpace(Peek()) && text_.substr(at_ + 1).starts_with("-}}")) {
      trim_ = true;
      at_ += 4;
      return {};
    }
    return TemplateError(open, "a comment must end with \"*/}}\"");
  }

  Status Item() {
    const size_t start = at_;
    const char c = Peek();
    if (c == '"') return Quoted('"', TokenKind::kString);
    if (c == '\'') return Quoted('\'', TokenKind::kCharacter);
    if (c == '`') return RawString();
    if (IsDigit(c) ||
        ((c == '+' || c == '-' || c == '.') && IsDigit(Peek(1))) ||
        ((c == '+' || c == '-') && Peek(1) == '.' && IsDigit(Peek(2)))) {
      ++at_;
      while (IsWord(Peek()) || Peek() == '.' ||
             ((Peek() == '+' || Peek() == '-') &&
              std::string_view("eEpP").find(text_[at_ - 1]) !=
                  std::string_view::npos)) {
        ++at_;
      }
      Add(TokenKind::kNumber, std::string(text_.substr(start, at_ - start)),
          start);
      return {};
    }
    if (c == '.' && !IsWordStart(Peek(1))) {
      ++at_;
      Add(TokenKind::kDot, ".", start);
      return {};
    }
    if (c == '.' || c == '$' || IsWordStart(c)) {
      ++at_;
      while (IsWord(Peek())) ++at_;
      const std::string_view word = text_.substr(start, at_ - start);
      if (c == '.') {
        Add(TokenKind::kField, std::string(word.substr(1)), start);
      } else {
        Add(c == '$' ? TokenKind::kVariable : TokenKind::kWord,
            std::string(word), start);
      }
      return {};
    }
    for (const std::string_view punctuation : {":=", "=", "|", "(", ")", ","}) {
      if (!StartsWith(punctuation)) continue;
      at_ += punctuation.size();
      Add(TokenKind::kPunctuation, std::string(punctuation), start);
      return {};
    }
    return TemplateError(
        start, "unexpected " + imgmount::Quoted(text_.substr(start, 1)));
  }

  Status RawString() {
    const size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) {
      return TemplateError(at_, "unterminated raw string");
    }
    Add(TokenKind::kString, std::string(text_.substr(at_ + 1, end - at_ - 1)),
        at_);
    at_ = end + 1;
    return {};
  }

  // A Go string or character constant.
  Status Quoted(char quote, TokenKind kind) {
    const size_t start = at_++;
    std::string value;
    uint32_t last = 0;
    size_t count = 0;
    for (; Peek() != quote; ++count) {
      if (at_ >= text_.size() || Peek() == '\n') {
        return TemplateError(start, "unterminated string");
      }
      if (Peek() != '\\') {
        const Rune rune = FirstRune(text_.substr(at_));
        value += text_.substr(at_, rune.bytes);
        at_ += rune.bytes;
        last = rune.code;
        continue;
      }
      ++at_;
      const auto escaped = Escape(value, quote);
      if (!escaped) return TemplateError(at_, "unknown escape");
      last = *escaped;
    }
    ++at_;
    if (kind == TokenKind::kCharacter) {
      if (count != 1) return TemplateError(start, "not one character");
      value = std::to_string(last);
    }
    Add(kind, std::move(value), start);
    return {};
  }

  // Reads what follows a backslash: a byte, or a code point.
  std::optional<uint32_t> Escape(std::string& value, char quote) {
    constexpr std::string_view kNames = "abfnrtv\\";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
    const char c = Peek();
    if (at_ >= text_.size()) return std::nullopt;
    const size_t i = kNames.find(c);
    if (i != std::string_view::npos || c == quote) {
      ++at_;
      value += c == quote ? c : kValues[i];
      return value.back();
    }
    const bool is_rune = c == 'u' || c == 'U';
    std::optional<uint32_t> code;
    if (is_rune || c == 'x') {
      ++at_;
      code = Digits(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    } else {
      code = Digits(3, 8);
    }
    const bool surrogate = code && *code >= 0xd800 && *code < 0xe000;
    if (!code || *code > (is_rune ? 0x10ffff : 0xff) || surrogate) {
      return std::nullopt;
    }
    value += is_rune ? Utf8(*code) : std::string(1, static_cast<char>(*code));
    return code;
  }

  std::optional<uint32_t> Digits(size_t count, uint32_t base) {
    uint32_t code = 0;
    for (size_t i = 0; i < count; ++i, ++at_) {
      const char c = Peek();
      const uint32_t digit = IsDigit(c)             ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                    : base;
      if (digit >= base) return std::nullopt;
      code = code * base + digit;
    }
    return code;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool trim_ = false;   // the action before ended with "-}}"
  bool space_ = false;  // before the next token
  std::vector<Token> tokens_;
};

}  // namespace

Failure TemplateError(size_t offset, std::string_view problem) {
  return Fail(ErrorCode::kUsage,
              fmt::format("template: at byte {}: {}", offset + 1, problem));
}

Result<std::vector<Token>> Lex(std::string_view text) {
  return Lexer(text).Run();
}

}  // namespace imgmount::gotmpl
