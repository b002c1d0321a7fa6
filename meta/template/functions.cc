// SPDX-License-Identifier: Apache-2.0
#include "meta/template/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <functional>
#include <optional>
#include <span>

#include "meta/image/json.h"
#include "meta/template/go_json.h"
#include "meta/template/printf.h"

namespace imgmount::gotmpl {
namespace {

using Arguments = std::span<const Value>;

constexpr size_t kMaxPad = 100'000;
constexpr size_t kAny = SIZE_MAX;

Failure Refuse(std::string problem) {
  return Fail(ErrorCode::kUsage, std::move(problem));
}

Failure NeedsText(const Value& value) {
  return Refuse(fmt::format("needs a string, got {}", value.TypeName()));
}

Result<size_t> ToSize(const Value& value, size_t limit) {
  if (!value.is_integer() || value.json() < 0 || value.json() > limit) {
    return Refuse(fmt::format("needs a number from 0 to {}, got {}", limit,
                              value.Print()));
  }
  return value.json().get<size_t>();
}

// JSON as a template shows it: nil and missing values are null.
Result<Value> ToJson(Arguments args) {
  const Json& json = args[0].json();
  const bool nil = json.is_binary() || json.is_discarded();
  return Value(nil ? "null" : GoJson(json, kOneLine, /*escape_html=*/false));
}

Result<Value> Split(Arguments args) {
  std::string_view text = args[0].text();
  const std::string_view separator = args[1].text();
  Json parts = Json::array();
  if (separator.empty()) {  // into characters
    while (!text.empty()) {
      size_t end = 1;
      while (end < text.size() &&
             (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
        ++end;
      }
      parts.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    return Value(std::move(parts));
  }
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return Value(std::move(parts));
    text.remove_prefix(end + separator.size());
  }
}

Result<Value> Join(Arguments args) {
  if (!args[0].is_list()) {
    return Refuse(fmt::format("needs a list, got {}", args[0].TypeName()));
  }
  std::string text;
  for (size_t i = 0; i < args[0].size(); ++i) {
    const Json& item = args[0].json()[i];
    if (!item.is_string()) return Refuse("needs a list of strings");
    if (i > 0) text += args[1].text();
    text += item.get_ref<const std::string&>();
  }
  return Value(text);
}

char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
char ToUpper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

template <char (*Change)(char)>
Result<Value> ChangeCase(Arguments args) {
  std::string text = args[0].text();
  std::transform(text.begin(), text.end(), text.begin(), Change);
  return Value(std::move(text));
}

// The first letter of each word in upper case.
Result<Value> Title(Arguments args) {
  std::string text = args[0].text();
  bool in_word = false;
  for (char& c : text) {
    if (!in_word) c = ToUpper(c);
    const char lower = ToLower(c);
    in_word = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '\'' || static_cast<unsigned char>(c) >= 0x80;
  }
  return Value(std::move(text));
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
  if (args[0].is_text()) return Value(args[0].text().size());
  if (args[0].is_list() || args[0].is_map()) return Value(args[0].size());
  return Refuse(fmt::format("{} has no length", args[0].TypeName()));
}

Result<Value> Index(Arguments args) {
  Value value = args[0];
  for (const Value& key : args.subspan(1)) {
    if (value.is_list() || value.is_text()) {
      const size_t size = value.is_text() ? value.text().size() : value.size();
      if (!key.is_integer()) return Refuse("a list is indexed by a number");
      if (key.json() < 0 || key.json() >= size) {
        return Refuse(fmt::format("index out of range: {}", key.Print()));
      }
      const auto i = key.json().get<size_t>();
      if (value.is_text()) {
        value = Value(static_cast<unsigned char>(value.text()[i]));
      } else {
        value = value.element(value.json()[i]);
      }
    } else if (value.is_map()) {
      if (!key.is_text()) return Refuse("a map is indexed by a string");
      const Json& map = value.json();
      const auto it = map.is_object() ? map.find(key.text()) : map.end();
      // The zero value of Docker's maps, which hold strings.
      value = it == map.end() ? Value("") : value.element(*it);
    } else {
      return Refuse(fmt::format("{} cannot be indexed", value.TypeName()));
    }
  }
  return value;
}

Result<Value> Slice(Arguments args) {
  const Value& value = args[0];
  if (!value.is_text() && !value.is_list()) {
    return Refuse(fmt::format("{} cannot be sliced", value.TypeName()));
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
  if (begin > end) return Refuse("the slice ends before it begins");
  if (value.is_text()) return Value(value.text().substr(begin, end - begin));
  Json part = Json::array();
  for (size_t i = begin; i < end; ++i) part.push_back(value.json()[i]);
  return Value(std::move(part));
}

// Spaces between operands where neither is a string.
Result<Value> PrintAll(Arguments args) {
  std::string text;
  for (size_t i = 0; i < args.size(); ++i) {
    if (i > 0 && !args[i].is_text() && !args[i - 1].is_text()) text += ' ';
    text += args[i].Print();
  }
  return Value(std::move(text));
}

Result<Value> PrintLine(Arguments args) {
  std::string text;
  for (size_t i = 0; i < args.size(); ++i) {
    text += (i > 0 ? " " : "") + args[i].Print();
  }
  return Value(text + '\n');
}

Result<Value> Printf(Arguments args) {
  return Value(GoPrintf(args[0].text(), args.subspan(1)));
}

Result<Value> Not(Arguments args) { return Value(!args[0].Truth()); }

// nullopt where the two are of kinds that do not compare.
std::optional<std::partial_ordering> Compare(const Value& a, const Value& b) {
  const Json& x = a.json();
  const Json& y = b.json();
  if (a.is_text() && b.is_text()) return a.text() <=> b.text();
  if (a.is_integer() && b.is_integer()) {
    return x < y   ? std::partial_ordering::less
           : y < x ? std::partial_ordering::greater
                   : std::partial_ordering::equivalent;
  }
  if (x.is_number_float() && y.is_number_float()) {
    return x.get<double>() <=> y.get<double>();
  }
  return std::nullopt;
}

Result<bool> AreEqual(const Value& a, const Value& b) {
  if (const auto order = Compare(a, b)) return *order == 0;
  if (a.json().is_boolean() && b.json().is_boolean()) {
    return a.json() == b.json();
  }
  if (a.is_nothing() || b.is_nothing()) {
    return a.is_nothing() && b.is_nothing();
  }
  return Refuse(
      fmt::format("{} and {} do not compare", a.TypeName(), b.TypeName()));
}

Result<Value> Equal(Arguments args) {
  for (const Value& other : args.subspan(1)) {
    IMGMOUNT_TRY(const bool equal, AreEqual(args[0], other));
    if (equal) return Value(true);
  }
  return Value(false);
}

Result<Value> NotEqual(Arguments args) {
  IMGMOUNT_TRY(const bool equal, AreEqual(args[0], args[1]));
  return Value(!equal);
}

template <bool (*Holds)(std::partial_ordering)>
Result<Value> Ordered(Arguments args) {
  const auto order = Compare(args[0], args[1]);
  if (!order) {
    return Refuse(fmt::format("{} and {} do not compare", args[0].TypeName(),
                              args[1].TypeName()));
  }
  return Value(Holds(*order));
}

struct Function {
  std::string_view name;
  Result<Value> (*call)(Arguments);
  size_t min_arguments;
  size_t max_arguments;
  size_t texts;  // so many of the first arguments must be strings
  bool in_header = true;
};

// In the order in which messages list them. Header cells are texts whatever
// the function, so these are checked after that (see CallFunction).
constexpr Function kFunctions[] = {
    {"and", nullptr, 1, kAny, 0},
    {"or", nullptr, 1, kAny, 0},
    {"not", Not, 1, 1, 0},
    {"eq", Equal, 2, kAny, 0},
    {"ne", NotEqual, 2, 2, 0},
    {"lt", Ordered<std::is_lt>, 2, 2, 0},
    {"le", Ordered<std::is_lteq>, 2, 2, 0},
    {"gt", Ordered<std::is_gt>, 2, 2, 0},
    {"ge", Ordered<std::is_gteq>, 2, 2, 0},
    {"len", Len, 1, 1, 0},
    {"index", Index, 1, kAny, 0},
    {"slice", Slice, 1, 3, 0},
    {"print", PrintAll, 0, kAny, 0},
    {"printf", Printf, 1, kAny, 1},
    {"println", PrintLine, 0, kAny, 0},
    {"json", ToJson, 1, 1, 0, false},
    {"split", Split, 2, 2, 2, false},
    {"join", Join, 2, 2, 0, false},
    {"title", Title, 1, 1, 1, false},
    {"lower", ChangeCase<ToLower>, 1, 1, 1, false},
    {"upper", ChangeCase<ToUpper>, 1, 1, 1, false},
    {"pad", Pad, 3, 3, 1},
    {"truncate", Truncate, 2, 2, 1, false},
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
  for (size_t i = 0; i < function.texts; ++i) {
    if (!arguments[i].is_text()) return NeedsText(arguments[i]);
  }
  if (name == "join" && !arguments[1].is_text()) return NeedsText(arguments[1]);
  return function.call(arguments);
}

}  // namespace imgmount::gotmpl
