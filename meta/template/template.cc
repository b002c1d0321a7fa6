// SPDX-License-Identifier: Apache-2.0
#include "meta/template/template.h"

#include <utility>
#include <vector>

#include "meta/image/json.h"
#include "meta/template/ast.h"
#include "meta/template/functions.h"
#include "meta/template/lexer.h"
#include "meta/template/parser.h"
#include "meta/template/value.h"

namespace imgmount {
namespace gotmpl {
namespace {

// What one template may do, so that none runs away.
constexpr size_t kMaxSteps = 1'000'000;
constexpr size_t kMaxOutput = 256 << 20;

enum class Flow { kOn, kBreak, kContinue };

class Execution {
 public:
  Execution(const Value& root, bool header) : header_(header) {
    variables_.emplace_back("$", root);
  }

  Result<Flow> Run(const std::vector<Node>& nodes, const Value& dot) {
    for (const Node& node : nodes) {
      IMGMOUNT_TRY(const Flow flow, RunOne(node, dot));
      if (flow != Flow::kOn) return flow;
    }
    return Flow::kOn;
  }

  std::string TakeOutput() { return std::move(out_); }

 private:
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
        if (node.pipeline.variables.empty()) out_ += value.Print();
        return Flow::kOn;
      }
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
        variables_.emplace_back(name, Value(nullptr));
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
    IMGMOUNT_CHECK(EachItem(value, pipeline.offset, round));
    variables_.erase(variables_.begin() + static_cast<ptrdiff_t>(scope),
                     variables_.end());
    if (any) return Flow::kOn;
    return Run(node.otherwise, dot);
  }

  // Calls `round` with key and item until it says false.
  template <typename Round>
  Status EachItem(const Value& value, size_t offset, const Round& round) {
    if (value.is_integer()) {
      for (int64_t i = 0; value.json() > i; ++i) {
        IMGMOUNT_TRY(const bool more, round(Value(i), Value(i)));
        if (!more) break;
      }
    } else if (value.is_list()) {
      for (size_t i = 0; i < value.size(); ++i) {
        IMGMOUNT_TRY(const bool more,
                     round(Value(i), value.element(value.json()[i])));
        if (!more) break;
      }
    } else if (value.is_map()) {
      if (value.size() == 0) return {};
      for (const auto& [key, item] : value.json().items()) {
        IMGMOUNT_TRY(const bool more, round(Value(key), value.element(item)));
        if (!more) break;
      }
    } else if (!value.is_nothing()) {
      return TemplateError(offset, "range cannot go over a value of type " +
                                       std::string(value.TypeName()));
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
    if (first.kind != Operand::Kind::kFunction) {
      if (command.size() > 1 || piped) {
        return TemplateError(first.offset, "only a function takes arguments");
      }
      return Evaluate(first, dot);
    }
    if (first.name == "and" || first.name == "or") {
      return ShortCircuit(command, dot, piped);
    }
    std::vector<Value> arguments;
    for (size_t i = 1; i < command.size(); ++i) {
      IMGMOUNT_TRY(Value argument, Evaluate(command[i], dot));
      arguments.push_back(std::move(argument));
    }
    if (piped) arguments.push_back(*piped);
    auto result = CallFunction(first.name, arguments, header_);
    if (result) return result;
    return TemplateError(first.offset,
                         first.name + ": " + result.error().message());
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
      auto field = value.Field(name);
      if (!field) return TemplateError(operand.offset, field.error().message());
      value = *std::move(field);
    }
    return value;
  }

  Result<Value> Base(const Operand& operand, const Value& dot) {
    switch (operand.kind) {
      case Operand::Kind::kLiteral:
        return Value(operand.literal);
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

  const bool header_;
  std::string out_;
  size_t steps_ = 0;
  std::vector<std::pair<std::string, Value>> variables_;
};

Result<std::string> Execute(const std::vector<Node>& nodes, const Value& data,
                            bool header) {
  Execution execution(data, header);
  IMGMOUNT_CHECK(execution.Run(nodes, data));
  return execution.TakeOutput();
}

}  // namespace
}  // namespace gotmpl

struct Template::Body {
  std::vector<gotmpl::Node> nodes;
};

Template::Template(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::Parse(std::string_view text) {
  IMGMOUNT_TRY(auto nodes, gotmpl::ParseTemplate(text));
  return Template(std::make_unique<Body>(Body{std::move(nodes)}));
}

Result<std::string> Template::Execute(
    const nlohmann::ordered_json& data,
    const nlohmann::ordered_json& shape) const {
  return gotmpl::Execute(body_->nodes, gotmpl::Value::Of(data, &shape),
                         /*header=*/false);
}

Result<std::string> Template::ExecuteHeader(
    const nlohmann::ordered_json& names) const {
  return gotmpl::Execute(body_->nodes, gotmpl::Value::Of(names, nullptr),
                         /*header=*/true);
}

}  // namespace imgmount
