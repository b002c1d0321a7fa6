// SPDX-License-Identifier: Apache-2.0
#include "meta/template/go_fmt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "meta/template/methods.h"
#include "meta/template/numbers.h"
#include "meta/template/runes.h"
#include "meta/text/utf8.h"

namespace imgmount::gotmpl {
namespace {

constexpr size_t kMaxWidth = 1'000'000;  // Go's own limit

// The flags of one verb.
struct Flags {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  bool plus_v = false;   // %+v: names of fields
  bool sharp_v = false;  // %#v: as in Go's source
  std::optional<size_t> width;
  std::optional<size_t> precision;
};

// Prints values by verbs, one after the other. Once the text is too long
// nothing is added.
class Printer {
 public:
  Flags flags;

  void Add(std::string_view text) {
    if (!IsFull()) out_ += text;
  }
  bool IsFull() const { return out_.size() > kMaxText; }
  std::string Take() { return std::move(out_); }

  // An argument.
  void Argument(const Value& value, uint32_t verb) {
    if (value.is_nothing()) {
      return verb == 'T' || verb == 'v' ? Pad("<nil>") : Bad(value, verb);
    }
    if (verb == 'T') return Text(value.type().name, 's');
    PrintValue(value, verb, 0);
  }

 private:
  void PrintValue(const Value& value, uint32_t verb, int depth) {
    if (IsFull()) return;
    if (value.is_nothing()) {  // within a list or a map
      return Add(flags.sharp_v ? "interface {}(nil)" : "<nil>");
    }
    if (const auto text = StringOf(value, verb)) {
      return Text(*text, verb);
    }
    switch (value.type().kind) {
      case Kind::kBool:
        if (verb != 't' && verb != 'v') return Bad(value, verb);
        return Pad(value.json().get<bool>() ? "true" : "false");
      case Kind::kInt:
        return Integer(value, verb);
      case Kind::kFloat:
        return Float(value, verb);
      case Kind::kString:
        if (std::string_view("vsxXq").find(static_cast<char>(verb)) ==
            std::string_view::npos) {
          return Bad(value, verb);
        }
        return Text(value.text(), verb);
      case Kind::kSlice:
        return List(value, verb, depth);
      case Kind::kMap:
        return Map(value, verb, depth);
      case Kind::kStruct:
        return Struct(value, verb, depth);
      case Kind::kPointer:
        return Pointer(value, verb, depth);
      case Kind::kTime:
        return Pad(*StringMethod(value));
      case Kind::kAny:
        break;  // no value's type
    }
  }

  // The text of a value whose type has String().
  std::optional<std::string> StringOf(const Value& value, uint32_t verb) const {
    const bool for_text =
        verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q';
    if (within_bad_ || flags.sharp_v || !for_text) return std::nullopt;
    return StringMethod(value);
  }

  void List(const Value& value, uint32_t verb, int depth) {
    if (flags.sharp_v) {
      Add(value.type().name);
      if (value.is_nil()) return Add("(nil)");
    }
    Add(flags.sharp_v ? "{" : "[");
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) Add(flags.sharp_v ? ", " : " ");
      PrintValue(value.element(i), verb, depth + 1);
    }
    Add(flags.sharp_v ? "}" : "]");
  }

  void Map(const Value& value, uint32_t verb, int depth) {
    Add(flags.sharp_v ? value.type().name : "map[");
    if (flags.sharp_v && value.is_nil()) return Add("(nil)");
    if (flags.sharp_v) Add("{");
    bool first = true;
    for (const auto& [key, item] : value.Items()) {
      if (!first) Add(flags.sharp_v ? ", " : " ");
      first = false;
      PrintValue(Value(key), verb, depth + 1);
      Add(":");
      PrintValue(item, verb, depth + 1);
    }
    Add(flags.sharp_v ? "}" : "]");
  }

  void Struct(const Value& value, uint32_t verb, int depth) {
    if (flags.sharp_v) Add(value.type().name);
    Add("{");
    bool first = true;
    for (const auto& [name, field] : value.Fields()) {
      if (!first) Add(flags.sharp_v ? ", " : " ");
      first = false;
      if (flags.plus_v || flags.sharp_v) {
        Add(name);
        Add(":");
      }
      PrintValue(field, verb, depth + 1);
    }
    Add("}");
  }

  void Pointer(const Value& value, uint32_t verb, int depth) {
    if (!value.is_nil()) {
      Add("&");
      return PrintValue(value.Indirect(), verb, depth + 1);
    }
    if (verb != 'v') return Bad(value, verb);
    if (!flags.sharp_v) return Pad("<nil>");
    Add(fmt::format("({})(nil)", value.type().name));
  }

  // "%!d(string=x)".
  void Bad(const Value& value, uint32_t verb) {
    within_bad_ = true;
    Add("%!" + Utf8(verb) + "(");
    if (value.is_nothing()) {
      Add("<nil>");
    } else {
      Add(value.type().name);
      Add("=");
      PrintValue(value, 'v', 0);
    }
    Add(")");
    within_bad_ = false;
  }

  void Pad(std::string_view text) {
    const size_t length = flags.width ? CountRunes(text) : 0;
    const size_t fill = flags.width.value_or(0) > length && !IsFull()
                            ? *flags.width - length
                            : 0;
    if (!flags.minus) out_.append(fill, flags.zero ? '0' : ' ');
    Add(text);
    if (flags.minus) out_.append(fill, ' ');
  }

  // By one of v, s, x, X and q.
  void Text(std::string_view text, uint32_t verb) {
    if (verb == 'x' || verb == 'X') return Hex(text, verb == 'X');
    if (flags.precision) text = FirstRunes(text, *flags.precision);
    if (verb != 'q' && !flags.sharp_v) return Pad(text);
    if (verb == 'q' && flags.sharp && CanBackquote(text)) {
      return Pad(fmt::format("`{}`", text));
    }
    Pad(QuoteText(text, /*ascii=*/flags.plus));
  }

  void Hex(std::string_view bytes, bool upper) {
    if (flags.precision) bytes = bytes.substr(0, *flags.precision);
    std::string text;
    for (const char c : bytes) {
      if (flags.space && !text.empty()) text += ' ';
      if (flags.sharp && (flags.space || text.empty())) {
        text += upper ? "0X" : "0x";
      }
      const auto byte = static_cast<unsigned char>(c);
      text += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
    }
    Pad(text);
  }

  void Integer(const Value& value, uint32_t verb) {
    const int64_t number = value.integer();
    const bool negative = number < 0;
    const uint64_t magnitude =
        negative ? 0 - static_cast<uint64_t>(number) : number;
    const auto rune = static_cast<uint32_t>(
        number < 0 || number > 0x10ffff ? kReplacement : number);
    std::string digits;
    std::string_view prefix;
    switch (verb) {
      case 'v':
        if (flags.sharp_v && value.Is(kGoUint8)) {
          return Pad(fmt::format("{:#x}", magnitude));
        }
        [[fallthrough]];
      case 'd':
        digits = std::to_string(magnitude);
        break;
      case 'x':
        digits = fmt::format("{:x}", magnitude);
        prefix = flags.sharp ? "0x" : "";
        break;
      case 'X':
        digits = fmt::format("{:X}", magnitude);
        prefix = flags.sharp ? "0X" : "";
        break;
      case 'o':
        digits = fmt::format("{:o}", magnitude);
        prefix = flags.sharp && digits[0] != '0' ? "0" : "";
        break;
      case 'O':
        digits = fmt::format("{:o}", magnitude);
        prefix = "0o";
        break;
      case 'b':
        digits = fmt::format("{:b}", magnitude);
        prefix = flags.sharp ? "0b" : "";
        break;
      case 'c':
        return Pad(Utf8(rune));
      case 'q':
        return Pad(QuoteRune(rune, /*ascii=*/flags.plus));
      case 'U':
        return Unicode(magnitude, rune);
      default:
        return Bad(value, verb);
    }
    Digits(std::move(digits), prefix,
           negative      ? "-"
           : flags.plus  ? "+"
           : flags.space ? " "
                         : "");
  }

  void Digits(std::string digits, std::string_view prefix,
              std::string_view sign) {
    size_t length = 0;  // at least so many digits
    if (flags.precision) {
      length = *flags.precision;
      if (length == 0 && digits == "0") return PadWithoutZeros("");
    } else if (flags.zero && !flags.minus && flags.width) {
      length = *flags.width - std::min(*flags.width, sign.size());
    }
    if (digits.size() < length) digits.insert(0, length - digits.size(), '0');
    PadWithoutZeros(fmt::format("{}{}{}", sign, prefix, digits));
  }

  void PadWithoutZeros(std::string_view text) {
    const bool zero = flags.zero;
    flags.zero = false;
    Pad(text);
    flags.zero = zero;
  }

  void Unicode(uint64_t number, uint32_t rune) {
    std::string text = fmt::format(
        "U+{:0{}X}", number, std::max<size_t>(flags.precision.value_or(0), 4));
    if (flags.sharp && number <= 0x10ffff && IsPrint(rune)) {
      text += " '" + Utf8(rune) + "'";
    }
    PadWithoutZeros(text);
  }

  void Float(const Value& value, uint32_t verb) {
    const auto letter = static_cast<char>(verb == 'v' ? 'g' : verb);
    if (verb > 'z' ||
        std::string_view("eEfFgG").find(letter) == std::string_view::npos) {
      return Bad(value, verb);
    }
    const bool shortest = letter == 'g' || letter == 'G';
    const int precision = flags.precision ? static_cast<int>(*flags.precision)
                          : shortest      ? -1
                                          : 6;
    std::string text = FloatText(value.number(), letter, precision);
    if (text[0] != '-' && text[0] != '+') {
      if (!flags.plus && !flags.space) return Pad(text);
      text.insert(0, flags.plus ? "+" : " ");
    }
    // Zeros come behind the sign.
    const size_t width = flags.width.value_or(0);
    if (flags.zero && !flags.minus && width > text.size()) {
      text.insert(1, width - text.size(), '0');
    }
    Pad(text);
  }

  std::string out_;
  bool within_bad_ = false;  // where String() is not called
};

// One call of Sprintf.
class Formatting {
 public:
  Formatting(std::string_view format, std::span<const Value> values)
      : format_(format), values_(values) {}

  Result<std::string> Run() {
    while (at_ < format_.size() && !printer_.IsFull()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      printer_.Add(format_.substr(at_, percent - at_));
      at_ = percent + 1;
      if (percent < format_.size()) Verb();
    }
    if (!reordered_ && next_ < values_.size()) Extra();
    if (printer_.IsFull()) return Fail(ErrorCode::kUsage, "prints too much");
    return printer_.Take();
  }

 private:
  char Peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }
  bool Take(char c) {
    if (at_ >= format_.size() || format_[at_] != c) return false;
    ++at_;
    return true;
  }

  void Verb() {
    printer_.flags = Flags();
    Flags& flags = printer_.flags;
    good_index_ = true;
    after_index_ = false;
    TakeFlags();
    TakeIndex();
    TakeWidth();
    TakePrecision();
    if (!after_index_) TakeIndex();
    if (at_ >= format_.size()) return printer_.Add("%!(NOVERB)");
    const Rune rune = FirstRune(format_.substr(at_));
    at_ += rune.bytes;
    const uint32_t verb = rune.code;
    if (verb == '%') return printer_.Add("%");
    const auto complain = [&](std::string_view problem) {
      printer_.Add("%!" + Utf8(verb) + std::string(problem));
    };
    if (!good_index_) return complain("(BADINDEX)");
    if (next_ >= values_.size()) return complain("(MISSING)");
    if (verb == 'v') {
      flags.sharp_v = std::exchange(flags.sharp, false);
      flags.plus_v = std::exchange(flags.plus, false);
    }
    printer_.Argument(values_[next_++], verb);
  }

  void TakeFlags() {
    Flags& flags = printer_.flags;
    while (true) {
      if (Take('-')) {
        flags.minus = true;
      } else if (Take('+')) {
        flags.plus = true;
      } else if (Take('#')) {
        flags.sharp = true;
      } else if (Take(' ')) {
        flags.space = true;
      } else if (Take('0')) {
        flags.zero = true;
      } else {
        return;
      }
    }
  }

  // "[2]": the argument that comes next.
  void TakeIndex() {
    if (Peek() != '[') return;
    reordered_ = true;
    const size_t close = format_.find(']', at_);
    if (close == std::string_view::npos) {
      good_index_ = false;
      ++at_;
      return;
    }
    ++at_;
    const auto index = TakeNumber();
    const bool good =
        index && at_ == close && *index > 0 && *index <= values_.size();
    at_ = close + 1;
    if (!good) {
      good_index_ = false;
      return;
    }
    after_index_ = true;
    next_ = *index - 1;
  }

  void TakeWidth() {
    Flags& flags = printer_.flags;
    if (Take('*')) {
      const auto width = TakeArgument();
      if (!width) return printer_.Add("%!(BADWIDTH)");
      if (*width < 0) flags.minus = true;
      flags.width = static_cast<size_t>(std::abs(*width));
      return;
    }
    flags.width = TakeNumber();
    if (after_index_ && flags.width) good_index_ = false;
  }

  void TakePrecision() {
    if (!Take('.')) return;
    Flags& flags = printer_.flags;
    if (after_index_) good_index_ = false;
    TakeIndex();
    if (!Take('*')) {
      flags.precision = TakeNumber().value_or(0);
      return;
    }
    const auto precision = TakeArgument();
    if (!precision) return printer_.Add("%!(BADPREC)");
    if (*precision >= 0) flags.precision = static_cast<size_t>(*precision);
  }

  // For "*".
  std::optional<int64_t> TakeArgument() {
    after_index_ = false;
    if (next_ >= values_.size()) return std::nullopt;
    const Value& value = values_[next_++];
    constexpr auto kMax = static_cast<int64_t>(kMaxWidth);
    if (!value.is_integer() || value.integer() > kMax ||
        value.integer() < -kMax) {
      return std::nullopt;
    }
    return value.integer();
  }

  // nullopt where there is none, or one that is too large; its digits are read.
  std::optional<size_t> TakeNumber() {
    std::optional<size_t> number;
    for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
      const size_t digit = static_cast<size_t>(Peek() - '0');
      number = std::min(number.value_or(0) * 10 + digit, kMaxWidth + 1);
    }
    return number > kMaxWidth ? std::nullopt : number;
  }

  void Extra() {
    printer_.flags = Flags();
    printer_.Add("%!(EXTRA ");
    for (size_t i = next_; i < values_.size(); ++i) {
      if (i > next_) printer_.Add(", ");
      if (!values_[i].is_nothing()) {
        printer_.Add(values_[i].type().name);
        printer_.Add("=");
      }
      printer_.Argument(values_[i], 'v');
    }
    printer_.Add(")");
  }

  const std::string_view format_;
  const std::span<const Value> values_;
  Printer printer_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool reordered_ = false;
  bool good_index_ = true;
  bool after_index_ = false;
};

}  // namespace

std::string Print(const Value& value) {
  if (value.is_nothing()) return "<no value>";
  Printer printer;
  printer.Argument(value.Indirect(), 'v');
  return printer.Take();
}

// Spaces between operands where neither is a string.
std::string Sprint(std::span<const Value> values) {
  Printer printer;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && !values[i].is_text() && !values[i - 1].is_text()) {
      printer.Add(" ");
    }
    printer.Argument(values[i], 'v');
  }
  return printer.Take();
}

std::string Sprintln(std::span<const Value> values) {
  Printer printer;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) printer.Add(" ");
    printer.Argument(values[i], 'v');
  }
  printer.Add("\n");
  return printer.Take();
}

Result<std::string> Sprintf(std::string_view format,
                            std::span<const Value> values) {
  return Formatting(format, values).Run();
}

}  // namespace imgmount::gotmpl
