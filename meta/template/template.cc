// SPDX-License-Identifier: Apache-2.0
#include "meta/template/template.h"

#include <optional>
#include <utility>
#include <vector>

#include "meta/template/ast.h"
#include "meta/template/functions.h"
#include "meta/template/go_fmt.h"
#include "meta/template/lexer.h"
#include "meta/template/methods.h"
#include "meta/template/parser.h"
#include "meta/template/value.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace gotmpl {
namespace {

// Limits of one template, so that none runs away.
constexpr size_t kMaxSteps = 1'000'000;
constexpr size_t kMaxOutput = 256 << 20;
constexpr size_t kMaxMade = 256 << 20;  // text that functions give
// Lists of nodes within each other; each takes some 2 KiB of the stack.
constexpr int kMaxDepth = 1000;

enum class Flow { kOn, kBreak, kContinue };

struct Mode {
  bool header = false;
  bool strict = false;  // a key that a map does not have is an error
};

class Execution {
 public:
  Execution(const Templates& templates, const Value& root, Mode mode)
      : templates_(templates), mode_(mode) {
    variables_.emplace_back("$", root);
  }

  Result<Flow> Run(const std::vector<Node>& nodes, const Value& dot) {
    if (depth_ >= kMaxDepth) return Fail(ErrorCode::kUsage, kTooDeep);
    ++depth_;
    Result<Flow> flow = Flow::kOn;
    for (const Node& node : nodes) {
      flow = RunOne(node, dot);
      if (!flow || *flow != Flow::kOn) break;
    }
    --depth_;
    return flow;
  }

  std::string TakeOutput() { return std::move(out_); }

 private:
  static constexpr char kTooDeep[] =
      "template: blocks and templates within each other: exceeded maximum "
      "template depth (1000)";

  Status Step(size_t offset) {
    if (++steps_ > kMaxSteps) return TemplateError(offset, "takes too long");
    if (out_.size() > kMaxOutput) {
      return TemplateError(offset, "prints too much");
    }
    return {};
  }

  Result<Flow> RunOne(const Node& node, const Value& dot) {
    switch (node.kind) {
      case Node::Kind::kText:
        out_ += node.text;
        return Flow::kOn;
      case Node::Kind::kBreak:
        return Flow::kBreak;
      case Node::Kind::kContinue:
        return Flow::kContinue;
      case Node::Kind::kAction: {
        IMGMOUNT_TRY(const Value value, Evaluate(node.pipeline, dot));
        if (node.pipeline.variables.empty()) out_ += Print(value);
        return Flow::kOn;
      }
      case Node::Kind::kTemplate:
        return RunTemplate(node, dot);
      default:
        break;
    }
    const size_t scope = variables_.size();
    auto flow = node.kind == Node::Kind::kRange ? RunRange(node, dot)
                                                : RunChoice(node, dot);
    variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(scope),
                     variables_.end());
    return flow;
  }

  // With variables of its own; "$" is what it is given.
  Result<Flow> RunTemplate(const Node& node, const Value& dot) {
    IMGMOUNT_CHECK(Step(node.pipeline.offset));
    const auto body = templates_.find(node.text);
    if (body == templates_.end()) {
      return TemplateError(node.pipeline.offset,
                           "no template " + Quoted(node.text));
    }
    Value value;
    if (!node.pipeline.commands.empty()) {
      IMGMOUNT_TRY(value, Evaluate(node.pipeline, dot));
    }
    auto variables = std::exchange(variables_, {{"$", value}});
    IMGMOUNT_CHECK(Run(body->second, value));
    variables_ = std::move(variables);
    return Flow::kOn;
  }

  Result<Flow> RunChoice(const Node& node, const Value& dot) {
    IMGMOUNT_TRY(const Value value, Evaluate(node.pipeline, dot));
    if (!value.Truth()) return Run(node.otherwise, dot);
    return Run(node.body, node.kind == Node::Kind::kWith ? value : dot);
  }

  Result<Flow> RunRange(const Node& node, const Value& dot) {
    const Pipeline& pipeline = node.pipeline;
    IMGMOUNT_TRY(const Value value, EvaluateCommands(pipeline, dot));
    // The variables are set anew in every round; declared, they are these.
    const size_t scope = variables_.size();
    if (pipeline.declares) {
      for (const std::string& name : pipeline.variables) {
        variables_.emplace_back(name, Value());
      }
    }
    bool any = false;
    const auto round = [&](const Value& key,
                           const Value& item) -> Result<bool> {
      any = true;
      IMGMOUNT_CHECK(Step(pipeline.offset));
      if (pipeline.variables.size() == 1) Set(pipeline.variables[0], item);
      if (pipeline.variables.size() == 2) {
        Set(pipeline.variables[0], key);
        Set(pipeline.variables[1], item);
      }
      const size_t inner = variables_.size();
      IMGMOUNT_TRY(const Flow flow, Run(node.body, item));
      variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(inner),
                       variables_.end());
      return flow != Flow::kBreak;
    };
    IMGMOUNT_CHECK(EachItem(value, pipeline, round));
    variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(scope),
                     variables_.end());
    if (any) return Flow::kOn;
    return Run(node.otherwise, dot);
  }

  // Calls `round` with key and item until it says false.
  template <typename Round>
  Status EachItem(const Value& value, const Pipeline& pipeline,
                  const Round& round) {
    if (value.is_integer()) {
      if (pipeline.variables.size() > 1) {
        return TemplateError(pipeline.offset,
                             "range over a number has one variable");
      }
      for (int64_t i = 0; i < value.integer(); ++i) {
        const Value number(Json(i), value.type());
        IMGMOUNT_TRY(const bool more, round(number, number));
        if (!more) break;
      }
    } else if (value.is_list()) {
      for (size_t i = 0; i < value.size(); ++i) {
        IMGMOUNT_TRY(const bool more,
                     round(Value(Json(i), kGoInt), value.element(i)));
        if (!more) break;
      }
    } else if (value.is_map()) {
      for (const auto& [key, item] : value.Items()) {
        IMGMOUNT_TRY(const bool more, round(Value(key), item));
        if (!more) break;
      }
    } else if (!value.is_nothing()) {
      return TemplateError(pipeline.offset,
                           "range cannot go over a value of type " +
                               std::string(value.Description()));
    }
    return {};
  }

  // REQUIRES: the parser saw it declared.
  Value& Variable(const std::string& name) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) return it->second;
    }
    return variables_.front().second;
  }
  void Set(const std::string& name, const Value& value) {
    Variable(name) = value;
  }

  Result<Value> Evaluate(const Pipeline& pipeline, const Value& dot) {
    IMGMOUNT_TRY(Value value, EvaluateCommands(pipeline, dot));
    for (const std::string& name : pipeline.variables) {
      if (pipeline.declares) {
        variables_.emplace_back(name, value);
      } else {
        Set(name, value);
      }
    }
    return value;
  }

  Result<Value> EvaluateCommands(const Pipeline& pipeline, const Value& dot) {
    std::optional<Value> value;
    for (const Command& command : pipeline.commands) {
      IMGMOUNT_CHECK(Step(pipeline.offset));
      IMGMOUNT_TRY(value, Evaluate(command, dot, value));
    }
    return *std::move(value);
  }

  Result<Value> Evaluate(const Command& command, const Value& dot,
                         const std::optional<Value>& piped) {
    const Operand& first = command.front();
    if (first.kind == Operand::Kind::kLiteral && first.literal.is_null()) {
      return TemplateError(first.offset, "nil is not a command");
    }
    if (first.kind == Operand::Kind::kFunction) {
      if (first.name == "and" || first.name == "or") {
        return ShortCircuit(command, dot, piped);
      }
      IMGMOUNT_TRY(const auto arguments, Arguments(command, dot, piped));
      return Made(first.offset, first.name,
                  CallFunction(first.name, arguments, mode_.header));
    }
    if (command.size() == 1 && !piped) return Evaluate(first, dot);
    IMGMOUNT_TRY(Value receiver, Base(first, dot));
    if (!first.fields.empty()) {
      for (size_t i = 0; i + 1 < first.fields.size(); ++i) {
        IMGMOUNT_TRY(receiver, Member(receiver, first.fields[i], first.offset));
      }
      const std::string& name = first.fields.back();
      if (HasMethod(receiver, name)) {
        IMGMOUNT_TRY(const auto arguments, Arguments(command, dot, piped));
        return Made(first.offset, name, CallMethod(receiver, name, arguments));
      }
    }
    return TemplateError(first.offset, "only a function takes arguments");
  }

  Result<std::vector<Value>> Arguments(const Command& command, const Value& dot,
                                       const std::optional<Value>& piped) {
    std::vector<Value> arguments;
    for (size_t i = 1; i < command.size(); ++i) {
      IMGMOUNT_TRY(Value argument, Evaluate(command[i], dot));
      arguments.push_back(std::move(argument));
    }
    if (piped) arguments.push_back(*piped);
    return arguments;
  }

  // Counts the text that a function or method gave.
  Result<Value> Made(size_t offset, const std::string& name,
                     Result<Value> result) {
    if (!result) {
      return TemplateError(offset, name + ": " + result.error().message());
    }
    if (result->is_text()) made_ += result->text().size();
    if (made_ > kMaxMade) return TemplateError(offset, "makes too much text");
    return result;
  }

  // The first argument that decides, else the last one.
  Result<Value> ShortCircuit(const Command& command, const Value& dot,
                             const std::optional<Value>& piped) {
    const bool stop_at = command.front().name == "or";
    std::optional<Value> value;
    for (size_t i = 1; i < command.size(); ++i) {
      IMGMOUNT_TRY(value, Evaluate(command[i], dot));
      if (value->Truth() == stop_at) return *value;
    }
    if (piped) return *piped;
    if (value) return *value;
    return TemplateError(command.front().offset,
                         command.front().name + " needs arguments");
  }

  Result<Value> Evaluate(const Operand& operand, const Value& dot) {
    IMGMOUNT_TRY(Value value, Base(operand, dot));
    for (const std::string& name : operand.fields) {
      IMGMOUNT_TRY(value, Member(value, name, operand.offset));
    }
    return value;
  }

  // A field, a key's value, or what a method without arguments gives.
  Result<Value> Member(const Value& value, const std::string& name,
                       size_t offset) {
    if (HasMethod(value, name)) {
      return Made(offset, name, CallMethod(value, name, {}));
    }
    auto field = value.Field(name, mode_.strict);
    if (!field) return TemplateError(offset, field.error().message());
    return field;
  }

  Result<Value> Base(const Operand& operand, const Value& dot) {
    switch (operand.kind) {
      case Operand::Kind::kLiteral:
        return Value::Literal(operand.literal);
      case Operand::Kind::kVariable:
        return Variable(operand.name);
      case Operand::Kind::kPipeline:
        return EvaluateInScope(operand.pipeline.front(), dot);
      case Operand::Kind::kFunction:
        return Evaluate(Command{operand}, dot, std::nullopt);
      case Operand::Kind::kDot:
        break;
    }
    return dot;
  }

  Result<Value> EvaluateInScope(const Pipeline& pipeline, const Value& dot) {
    const size_t scope = variables_.size();
    auto value = Evaluate(pipeline, dot);
    variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(scope),
                     variables_.end());
    return value;
  }

  const Templates& templates_;
  const Mode mode_;
  std::string out_;
  size_t steps_ = 0;
  size_t made_ = 0;
  int depth_ = 0;
  std::vector<std::pair<std::string, Value>> variables_;
};

Result<std::string> Execute(const Templates& templates, const Value& data,
                            Mode mode) {
  Execution execution(templates, data, mode);
  IMGMOUNT_CHECK(execution.Run(templates.at(""), data));
  return execution.TakeOutput();
}

}  // namespace
}  // namespace gotmpl

struct Template::Body {
  gotmpl::Templates templates;
};

Template::Template(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::Parse(std::string_view text) {
  IMGMOUNT_TRY(auto templates, gotmpl::ParseTemplate(text));
  return Template(std::make_unique<Body>(Body{std::move(templates)}));
}

Result<std::string> Template::Execute(const nlohmann::ordered_json& data,
                                      const GoType& type) const {
  return gotmpl::Execute(body_->templates, gotmpl::Value::Of(data, type), {});
}

Result<std::string> Template::ExecuteRaw(
    const nlohmann::ordered_json& data) const {
  return gotmpl::Execute(body_->templates, gotmpl::Value::Of(data, kGoAny),
                         {.strict = true});
}

std::string Template::ExecuteHeader(const nlohmann::ordered_json& names) const {
  const auto value = gotmpl::Value::Of(names, kGoStringMap);
  gotmpl::Execution execution(body_->templates, value, {.header = true});
  (void)execution.Run(body_->templates.at(""), value);
  return execution.TakeOutput();
}

}  // namespace imgmount
