// SPDX-License-Identifier: Apache-2.0
#include "meta/template/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "meta/template/functions.h"
#include "meta/template/lexer.h"
#include "meta/template/numbers.h"
#include "meta/text/printable.h"

namespace imgmount::gotmpl {
namespace {

constexpr int kMaxDepth = 100;
constexpr std::array<std::string_view, 10> kKeywords = {
    "if",    "else",     "end",    "range", "with",
    "break", "continue", "define", "block", "template"};

bool IsKeyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Templates> Run() {
    IMGMOUNT_TRY(std::vector<Node> nodes, List());
    if (Peek().kind != TokenKind::kEnd) {
      return Unexpected(Peek(1));  // else or end, after "{{"
    }
    IMGMOUNT_CHECK(Define("", std::move(nodes), 0));
    return std::move(templates_);
  }

 private:
  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& Next() {
    const Token& token = Peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool Is(const Token& token, TokenKind kind, std::string_view text) const {
    return token.kind == kind && token.text == text;
  }
  bool Take(TokenKind kind, std::string_view text) {
    if (!Is(Peek(), kind, text)) return false;
    Next();
    return true;
  }
  Failure Unexpected(const Token& token) const {
    return TemplateError(token.offset,
                         token.kind == TokenKind::kEnd
                             ? "unexpected end"
                             : "unexpected " + Quoted(token.text));
  }

  // Nodes until the end, or until an action that begins with else or end.
  Result<std::vector<Node>> List() {
    std::vector<Node> nodes;
    while (Peek().kind != TokenKind::kEnd) {
      if (Peek().kind == TokenKind::kText) {
        nodes.push_back({.kind = Node::Kind::kText, .text = Next().text});
        continue;
      }
      if (Is(Peek(1), TokenKind::kWord, "else") ||
          Is(Peek(1), TokenKind::kWord, "end")) {
        break;
      }
      Next();  // {{
      IMGMOUNT_TRY(Node node, Action());
      nodes.push_back(std::move(node));
    }
    return nodes;
  }

  Status Close() {
    if (Peek().kind != TokenKind::kClose) return Unexpected(Peek());
    Next();
    return {};
  }

  Result<Node> Action() {
    const Token& token = Peek();
    if (token.kind == TokenKind::kWord && IsKeyword(token.text)) {
      Next();
      if (token.text == "if") return Control(Node::Kind::kIf);
      if (token.text == "with") return Control(Node::Kind::kWith);
      if (token.text == "range") return Control(Node::Kind::kRange);
      if (token.text == "template") return Call();
      if (token.text == "block") return Block();
      if (token.text == "define") return Definition(token.offset);
      if (token.text != "break" && token.text != "continue") {
        return Unexpected(token);
      }
      if (loops_ == 0) {
        return TemplateError(token.offset, token.text + " outside of a range");
      }
      IMGMOUNT_CHECK(Close());
      return Node{.kind = token.text == "break" ? Node::Kind::kBreak
                                                : Node::Kind::kContinue};
    }
    Node node{.kind = Node::Kind::kAction};
    IMGMOUNT_TRY(node.pipeline, PipelineUntilEnd(/*in_range=*/false));
    IMGMOUNT_CHECK(Close());
    return node;
  }

  // The name of a template.
  Result<std::string> Name() {
    if (Peek().kind != TokenKind::kString) return Unexpected(Peek());
    return Next().text;
  }

  // {{template "x"}} or {{template "x" pipeline}}, after the first word.
  Result<Node> Call() {
    Node node{.kind = Node::Kind::kTemplate};
    node.pipeline.offset = Peek().offset;
    IMGMOUNT_TRY(node.text, Name());
    if (Peek().kind != TokenKind::kClose) {
      IMGMOUNT_TRY(node.pipeline, PipelineUntilEnd(/*in_range=*/false));
    }
    IMGMOUNT_CHECK(Close());
    return node;
  }

  // {{block "x" pipeline}} … {{end}} defines and calls it.
  Result<Node> Block() {
    Node node{.kind = Node::Kind::kTemplate};
    const size_t offset = Peek().offset;
    IMGMOUNT_TRY(node.text, Name());
    IMGMOUNT_TRY(node.pipeline, PipelineUntilEnd(/*in_range=*/false));
    IMGMOUNT_CHECK(Close());
    IMGMOUNT_CHECK(Body(node.text, offset));
    return node;
  }

  // {{define "x"}} … {{end}}, which stands in no other.
  Result<Node> Definition(size_t offset) {
    if (depth_ > 0) {
      return TemplateError(offset, "{{define}} within something else");
    }
    IMGMOUNT_TRY(const std::string name, Name());
    IMGMOUNT_CHECK(Close());
    IMGMOUNT_CHECK(Body(name, offset));
    return Node{};
  }

  // The nodes of a template of that name, and their end. Nothing of what is
  // around it is known there.
  Status Body(const std::string& name, size_t offset) {
    if (++depth_ > kMaxDepth) {
      return TemplateError(offset, "nested too deeply");
    }
    auto variables = std::exchange(variables_, {});
    const int loops = std::exchange(loops_, 0);
    IMGMOUNT_TRY(std::vector<Node> nodes, List());
    if (Peek().kind == TokenKind::kEnd) {
      return TemplateError(offset, "missing {{end}}");
    }
    Next();  // {{
    const Token& end = Next();
    if (end.text != "end") return Unexpected(end);
    IMGMOUNT_CHECK(Close());
    variables_ = std::move(variables);
    loops_ = loops;
    --depth_;
    return Define(name, std::move(nodes), offset);
  }

  // Where there are two definitions one must be blank: it does not count.
  Status Define(const std::string& name, std::vector<Node> nodes,
                size_t offset) {
    const auto is_blank = [](const std::vector<Node>& of) {
      return std::all_of(of.begin(), of.end(), [](const Node& node) {
        return node.kind == Node::Kind::kText &&
               node.text.find_first_not_of(" \t\r\n") == std::string::npos;
      });
    };
    const auto [entry, is_new] = templates_.try_emplace(name);
    if (is_new || is_blank(entry->second)) {
      entry->second = std::move(nodes);
    } else if (!is_blank(nodes)) {
      return TemplateError(offset, "two templates " + Quoted(name));
    }
    return {};
  }

  // if, with or range, after that word.
  Result<Node> Control(Node::Kind kind) {
    if (++depth_ > kMaxDepth) {
      return TemplateError(Peek().offset, "nested too deeply");
    }
    const size_t scope = variables_.size();
    Node node{.kind = kind};
    const bool is_range = kind == Node::Kind::kRange;
    IMGMOUNT_TRY(node.pipeline, PipelineUntilEnd(is_range));
    IMGMOUNT_CHECK(Close());
    const size_t body_scope = variables_.size();
    loops_ += is_range;
    IMGMOUNT_TRY(node.body, List());
    loops_ -= is_range;
    variables_.resize(body_scope);
    Next();  // {{
    const Token word = Next();
    if (word.text == "else") {
      // "else if …" is an if within the else, and its end is this one's.
      if (Is(Peek(), TokenKind::kWord, "if") && kind == Node::Kind::kIf) {
        Next();
        IMGMOUNT_TRY(Node nested, Control(Node::Kind::kIf));
        node.otherwise.push_back(std::move(nested));
      } else if (Is(Peek(), TokenKind::kWord, "with") &&
                 kind == Node::Kind::kWith) {
        Next();
        IMGMOUNT_TRY(Node nested, Control(Node::Kind::kWith));
        node.otherwise.push_back(std::move(nested));
      } else {
        IMGMOUNT_CHECK(Close());
        IMGMOUNT_TRY(node.otherwise, List());
        Next();  // {{
        const Token end = Next();
        if (end.text != "end") return Unexpected(end);
        IMGMOUNT_CHECK(Close());
      }
    } else if (word.text == "end") {
      IMGMOUNT_CHECK(Close());
    } else {
      return TemplateError(word.offset, "missing {{end}}");
    }
    variables_.resize(scope);
    --depth_;
    return node;
  }

  // [$x [, $y] (:= | =)] command (| command)*
  Result<Pipeline> PipelineUntilEnd(bool in_range) {
    if (++depth_ > kMaxDepth) {
      return TemplateError(Peek().offset, "nested too deeply");
    }
    Pipeline pipeline{.offset = Peek().offset};
    IMGMOUNT_CHECK(Variables(pipeline, in_range));
    do {
      IMGMOUNT_TRY(Command command, ParseCommand());
      if (!pipeline.commands.empty() &&
          command.front().kind == Operand::Kind::kLiteral) {
        return TemplateError(command.front().offset,
                             "a value cannot take what is piped to it");
      }
      pipeline.commands.push_back(std::move(command));
    } while (Take(TokenKind::kPunctuation, "|"));
    if (pipeline.declares) {
      variables_.insert(variables_.end(), pipeline.variables.begin(),
                        pipeline.variables.end());
    }
    --depth_;
    return pipeline;
  }

  Status Variables(Pipeline& pipeline, bool in_range) {
    if (Peek().kind != TokenKind::kVariable) return {};
    const auto is_set = [&](const Token& token) {
      return token.kind == TokenKind::kPunctuation &&
             (token.text == ":=" || token.text == "=");
    };
    const bool two = in_range && Is(Peek(1), TokenKind::kPunctuation, ",") &&
                     Peek(2).kind == TokenKind::kVariable;
    if (!is_set(Peek(two ? 3 : 1))) return {};
    pipeline.variables.push_back(Next().text);
    if (two) {
      Next();
      pipeline.variables.push_back(Next().text);
    }
    pipeline.declares = Next().text == ":=";
    if (pipeline.declares) return {};
    for (const std::string& name : pipeline.variables) {
      IMGMOUNT_CHECK(CheckVariable(name, pipeline.offset));
    }
    return {};
  }

  Status CheckVariable(const std::string& name, size_t offset) const {
    if (name == "$" || std::find(variables_.begin(), variables_.end(), name) !=
                           variables_.end()) {
      return {};
    }
    return TemplateError(offset, "undefined variable " + Quoted(name));
  }

  Result<Command> ParseCommand() {
    Command command;
    while (true) {
      const Token& token = Peek();
      if (token.kind == TokenKind::kClose || token.kind == TokenKind::kEnd ||
          Is(token, TokenKind::kPunctuation, "|") ||
          Is(token, TokenKind::kPunctuation, ")")) {
        if (command.empty()) {
          return TemplateError(token.offset, "missing value");
        }
        return command;
      }
      if (!command.empty() && !token.after_space &&
          !Is(token, TokenKind::kPunctuation, "(")) {
        return Unexpected(token);
      }
      IMGMOUNT_TRY(Operand operand, ParseOperand());
      command.push_back(std::move(operand));
    }
  }

  Result<Operand> ParseOperand() {
    const Token token = Next();
    Operand operand{.offset = token.offset};
    switch (token.kind) {
      case TokenKind::kDot:
        break;
      case TokenKind::kField:
        operand.fields.push_back(token.text);
        break;
      case TokenKind::kVariable:
        IMGMOUNT_CHECK(CheckVariable(token.text, token.offset));
        operand.kind = Operand::Kind::kVariable;
        operand.name = token.text;
        break;
      case TokenKind::kString:
        operand.kind = Operand::Kind::kLiteral;
        operand.literal = token.text;
        break;
      case TokenKind::kNumber:
      case TokenKind::kCharacter: {
        const auto number = ParseNumber(token.text);
        if (!number) {
          return TemplateError(token.offset,
                               "bad number " + Quoted(token.text));
        }
        operand.kind = Operand::Kind::kLiteral;
        operand.literal = *number;
        break;
      }
      case TokenKind::kWord:
        IMGMOUNT_CHECK(Word(token, operand));
        break;
      case TokenKind::kPunctuation: {
        if (token.text != "(") return Unexpected(token);
        operand.kind = Operand::Kind::kPipeline;
        const size_t scope = variables_.size();
        IMGMOUNT_TRY(Pipeline pipeline, PipelineUntilEnd(/*in_range=*/false));
        variables_.resize(scope);
        operand.pipeline.push_back(std::move(pipeline));
        if (!Take(TokenKind::kPunctuation, ")")) {
          return TemplateError(token.offset, "unclosed parenthesis");
        }
        break;
      }
      default:
        return Unexpected(token);
    }
    while (Peek().kind == TokenKind::kField && !Peek().after_space) {
      if (operand.kind == Operand::Kind::kLiteral ||
          operand.kind == Operand::Kind::kFunction) {
        return Unexpected(Peek());
      }
      operand.fields.push_back(Next().text);
    }
    return operand;
  }

  static Status Word(const Token& token, Operand& operand) {
    operand.kind = Operand::Kind::kLiteral;
    if (token.text == "true" || token.text == "false") {
      operand.literal = token.text == "true";
    } else if (token.text == "nil") {
      operand.literal = nullptr;
    } else if (IsFunction(token.text)) {
      operand.kind = Operand::Kind::kFunction;
      operand.name = token.text;
    } else {
      return TemplateError(token.offset, "no function " + Quoted(token.text) +
                                             "; there are " + FunctionNames());
    }
    return {};
  }

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  std::vector<std::string> variables_;
  Templates templates_;
};

}  // namespace

Result<Templates> ParseTemplate(std::string_view text) {
  IMGMOUNT_TRY(std::vector<Token> tokens, Lex(text));
  return Parser(std::move(tokens)).Run();
}

}  // namespace imgmount::gotmpl
