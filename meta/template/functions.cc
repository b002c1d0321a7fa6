// SPDX-License-Identifier: Apache-2.0
#include "meta/template/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <span>

#include "meta/template/compare.h"
#include "meta/template/escape.h"
#include "meta/template/go_fmt.h"
#include "meta/template/go_json.h"
#include "meta/template/numbers.h"
#include "meta/template/runes.h"
#include "meta/text/utf8.h"

namespace imgmount::gotmpl {
namespace {

using Arguments = std::span<const Value>;

constexpr size_t kMaxPad = 100'000;
constexpr size_t kMaxParts = 1'000'000;  // of a text that is split
constexpr size_t kMaxTextIn = 16 << 20;  // of all arguments together
constexpr size_t kAny = SIZE_MAX;

Failure Refuse(std::string problem) {
  return Fail(ErrorCode::kUsage, std::move(problem));
}

Value Bool(bool value) { return Value(Json(value), kGoBool); }
Value Int(size_t number) { return Value(Json(number), kGoInt); }
Value Strings(Json list) { return Value(std::move(list), kGoStrings); }

Result<size_t> ToSize(const Value& value, size_t limit) {
  const auto number =
      value.is_integer() ? value.integer()
      : value.Is(Kind::kFloat) &&
              value.number() ==
                  static_cast<double>(static_cast<int32_t>(value.number()))
          ? static_cast<int64_t>(value.number())
          : -1;
  if (number < 0 || static_cast<size_t>(number) > limit) {
    return Refuse(fmt::format("needs a number from 0 to {}, got {}", limit,
                              Print(value)));
  }
  return static_cast<size_t>(number);
}

// With the keys of maps in their order, as encoding/json writes them.
Json Sorted(const Json& json) { return Json(nlohmann::json(json)); }

// As encoding/json writes a struct: what of its fields JSON has.
Json StructJson(const Value& value) {
  Json object = Json::object();
  for (const GoField& field : value.type().fields) {
    const auto it = value.json().find(field.key);
    if (field.embedded) {
      object.update(StructJson(Value::Of(value.json(), *field.type)));
    } else if (it != value.json().end() && field.in_json) {
      const Value part = Value::Of(*it, *field.type).Indirect();
      object[std::string(field.key)] =
          part.Is(Kind::kStruct) ? StructJson(part) : Sorted(*it);
    }
  }
  return object;
}

Result<Value> ToJson(Arguments args) {
  if (args[0].is_nil()) return Value("null");
  const Value value = args[0].Indirect();
  if (value.Is(Kind::kFloat)) return Value(FloatJson(value.number()));
  if (value.Is(kGoNumber)) return Value(value.text());
  const Json json =
      value.Is(Kind::kStruct) ? StructJson(value) : Sorted(value.json());
  return Value(GoJson(json, kOneLine, value.type().marshals_itself));
}

Result<Value> Split(Arguments args) {
  std::string_view text = args[0].text();
  const std::string_view separator = args[1].text();
  Json parts = Json::array();
  if (separator.empty()) {  // into characters
    while (!text.empty() && parts.size() < kMaxParts) {
      const size_t end = FirstRune(text).bytes;
      parts.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    if (text.empty()) return Strings(std::move(parts));
  }
  while (parts.size() < kMaxParts) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return Strings(std::move(parts));
    text.remove_prefix(end + separator.size());
  }
  return Refuse(fmt::format("gives more than {} parts", kMaxParts));
}

// Items that are no strings as they are printed; those of a map sorted.
Result<Value> Join(Arguments args) {
  const Value& list = args[0];
  if (list.is_nothing()) return Value("");
  if (!list.is_list() && !list.is_map()) {
    return Refuse(fmt::format("needs a list, got {}", list.Description()));
  }
  std::vector<std::string> items;
  for (size_t i = 0; list.is_list() && i < list.size(); ++i) {
    items.push_back(Sprint(std::array{list.element(i)}));
  }
  if (list.is_map()) {
    for (const auto& [key, item] : list.Items()) {
      items.push_back(Sprint(std::array{item}));
    }
    std::sort(items.begin(), items.end());
  }
  if (items.size() * args[1].text().size() > kMaxText) {
    return Refuse("makes too much text");
  }
  return Value(fmt::format("{}", fmt::join(items, args[1].text())));
}

template <std::string (*Change)(std::string_view)>
Result<Value> Changed(Arguments args) {
  return Value(Change(args[0].text()));
}

Result<Value> Pad(Arguments args) {
  IMGMOUNT_TRY(const size_t before, ToSize(args[1], kMaxPad));
  IMGMOUNT_TRY(const size_t after, ToSize(args[2], kMaxPad));
  const std::string& text = args[0].text();
  if (text.empty()) return args[0];
  return Value(std::string(before, ' ') + text + std::string(after, ' '));
}

Result<Value> Truncate(Arguments args) {
  IMGMOUNT_TRY(const size_t length, ToSize(args[1], SIZE_MAX >> 1));
  return Value(args[0].text().substr(0, length));
}

Result<Value> Len(Arguments args) {
  const Value& value = args[0];
  if (value.is_text()) return Int(value.text().size());
  if (value.is_list() || value.is_map()) return Int(value.size());
  return Refuse(fmt::format("{} has no length", value.Description()));
}

Result<Value> IndexOne(const Value& value, const Value& key) {
  if (value.is_list() || value.is_text()) {
    const size_t size = value.is_text() ? value.text().size() : value.size();
    if (!key.is_integer()) return Refuse("a list is indexed by a number");
    if (key.integer() < 0 || static_cast<size_t>(key.integer()) >= size) {
      return Refuse(fmt::format("index out of range: {}", key.integer()));
    }
    const auto i = static_cast<size_t>(key.integer());
    if (value.is_list()) return value.element(i);
    return Value(Json(static_cast<unsigned char>(value.text()[i])), kGoUint8);
  }
  if (value.is_map()) {
    if (!key.Is(kGoString)) return Refuse("a map is indexed by a string");
    if (!value.is_nil() && value.json().contains(key.text())) {
      return value.Get(key.text());
    }
    const GoType& element = *value.type().element;
    return element.kind == Kind::kAny ? Value() : Value::Zero(element);
  }
  return Refuse(fmt::format("{} cannot be indexed", value.Description()));
}

Result<Value> Index(Arguments args) {
  Value value = args[0];
  for (const Value& key : args.subspan(1)) {
    IMGMOUNT_TRY(value, IndexOne(value, key));
  }
  return value;
}

Result<Value> Slice(Arguments args) {
  const Value& value = args[0];
  if (!value.is_text() && !value.is_list()) {
    return Refuse(fmt::format("{} cannot be sliced", value.Description()));
  }
  if (value.is_text() && args.size() > 3) {
    return Refuse("a string has no capacity");
  }
  const size_t size = value.is_text() ? value.text().size() : value.size();
  size_t begin = 0;
  size_t end = size;
  if (args.size() > 1) {
    IMGMOUNT_TRY(begin, ToSize(args[1], size));
  }
  if (args.size() > 2) {
    IMGMOUNT_TRY(end, ToSize(args[2], size));
  }
  if (args.size() > 3) {
    IMGMOUNT_TRY(const size_t capacity, ToSize(args[3], size));
    if (end > capacity) return Refuse("the slice ends behind its capacity");
  }
  if (begin > end) return Refuse("the slice ends before it begins");
  if (value.is_text()) return Value(value.text().substr(begin, end - begin));
  Json part = Json::array();
  for (size_t i = begin; i < end; ++i) part.push_back(value.json()[i]);
  return Value(std::move(part), value.type());
}

Result<Value> PrintAll(Arguments args) { return Value(Sprint(args)); }
Result<Value> PrintLine(Arguments args) { return Value(Sprintln(args)); }

Result<Value> Printf(Arguments args) {
  IMGMOUNT_TRY(std::string text, Sprintf(args[0].text(), args.subspan(1)));
  return Value(std::move(text));
}

// The text that an escaping function works on.
std::string TextOf(Arguments args) {
  std::vector<Value> shown;
  for (const Value& value : args) {
    shown.push_back(value.is_nothing() ? Value(Print(value))
                                       : value.Indirect());
  }
  return Sprint(shown);
}

template <std::string (*Escape)(std::string_view)>
Result<Value> Escaped(Arguments args) {
  const std::string text = TextOf(args);
  if (text.size() > kMaxTextIn) return Refuse("makes too much text");
  return Value(Escape(text));
}

// No value of a template is a function.
Result<Value> Call(Arguments args) {
  return Refuse(fmt::format("needs a function, got {}", args[0].Description()));
}

Result<Value> Not(Arguments args) { return Bool(!args[0].Truth()); }

Result<Value> Equal(Arguments args) {
  for (const Value& other : args.subspan(1)) {
    IMGMOUNT_TRY(const bool equal, AreEqual(args[0], other));
    if (equal) return Bool(true);
  }
  return Bool(false);
}

Result<Value> NotEqual(Arguments args) {
  IMGMOUNT_TRY(const bool equal, AreEqual(args[0], args[1]));
  return Bool(!equal);
}

template <bool (*Holds)(std::partial_ordering)>
Result<Value> Ordered(Arguments args) {
  IMGMOUNT_TRY(const auto order, OrderOf(args[0], args[1]));
  return Bool(Holds(order));
}

struct Function {
  std::string_view name;
  Result<Value> (*call)(Arguments);
  size_t min_arguments;
  size_t max_arguments;
  std::array<bool, 2> is_text = {};  // which of the first must be strings
  bool in_header = true;
};

// In the order in which messages list them. Header cells are texts whatever
// the function, so these are checked after that (see CallFunction).
constexpr Function kFunctions[] = {
    {"and", nullptr, 1, kAny},
    {"or", nullptr, 1, kAny},
    {"not", Not, 1, 1},
    {"eq", Equal, 2, kAny},
    {"ne", NotEqual, 2, 2},
    {"lt", Ordered<std::is_lt>, 2, 2},
    {"le", Ordered<std::is_lteq>, 2, 2},
    {"gt", Ordered<std::is_gt>, 2, 2},
    {"ge", Ordered<std::is_gteq>, 2, 2},
    {"len", Len, 1, 1},
    {"index", Index, 1, kAny},
    {"slice", Slice, 1, 4},
    {"call", Call, 1, kAny},
    {"print", PrintAll, 0, kAny},
    {"printf", Printf, 1, kAny, {true}},
    {"println", PrintLine, 0, kAny},
    {"html", Escaped<EscapeHtml>, 0, kAny},
    {"js", Escaped<EscapeJs>, 0, kAny},
    {"urlquery", Escaped<EscapeQuery>, 0, kAny},
    {"json", ToJson, 1, 1, {}, false},
    {"split", Split, 2, 2, {true, true}, false},
    {"join", Join, 2, 2, {false, true}, false},
    {"title", Changed<ToTitle>, 1, 1, {true}, false},
    {"lower", Changed<ToLower>, 1, 1, {true}, false},
    {"upper", Changed<ToUpper>, 1, 1, {true}, false},
    {"pad", Pad, 3, 3, {true}},
    {"truncate", Truncate, 2, 2, {true}, false},
};

const Function* Find(std::string_view name) {
  for (const Function& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace

bool IsFunction(std::string_view name) { return Find(name) != nullptr; }

std::string FunctionNames() {
  std::string names;
  for (const Function& function : kFunctions) {
    names += (names.empty() ? "" : ", ") + std::string(function.name);
  }
  return names;
}

Result<Value> CallFunction(std::string_view name,
                           const std::vector<Value>& arguments, bool header) {
  const Function& function = *Find(name);
  if (arguments.size() < function.min_arguments ||
      arguments.size() > function.max_arguments) {
    return Refuse(
        fmt::format("takes {} {}, got {}",
                    function.max_arguments == kAny ? "at least" : "exactly",
                    function.min_arguments, arguments.size()));
  }
  if (header && !function.in_header) return arguments[0];
  size_t text = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Value& value = arguments[i];
    if (i < function.is_text.size() && function.is_text[i] &&
        !value.Is(kGoString)) {
      return Refuse(fmt::format("needs a string, got {}", value.Description()));
    }
    if (value.is_text()) text += value.text().size();
  }
  if (text > kMaxTextIn) return Refuse("is given too much text");
  return function.call(arguments);
}

}  // namespace imgmount::gotmpl
