// SPDX-License-Identifier: Apache-2.0
#include "meta/template/compare.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgmount::gotmpl {
namespace {

// For values that compare at all.
bool AreOfOneKind(const Value& a, const Value& b) {
  return !a.is_nothing() && b.Is(a.type().kind);
}

bool IsComparable(const GoType& type) {
  return type.kind != Kind::kSlice && type.kind != Kind::kMap &&
         std::all_of(
             type.fields.begin(), type.fields.end(),
             [](const GoField& field) { return IsComparable(*field.type); });
}

Failure DoNotCompare(const Value& a, const Value& b) {
  return Fail(ErrorCode::kUsage, fmt::format("{} and {} do not compare",
                                             a.Description(), b.Description()));
}

}  // namespace

Result<bool> AreEqual(const Value& a, const Value& b) {
  if (const auto order = OrderOf(a, b)) return *order == 0;
  const bool same_kind = AreOfOneKind(a, b);
  if (same_kind && a.Is(Kind::kBool)) return a.json() == b.json();
  if (a.is_nil() || b.is_nil()) {
    if (a.is_nothing() || b.is_nothing() || same_kind) {
      return a.is_nil() && b.is_nil();
    }
  }
  const bool comparable =
      a.Is(Kind::kStruct) || a.Is(Kind::kPointer) || a.Is(Kind::kTime);
  if (!comparable || !b.Is(a.type()) || !IsComparable(a.type())) {
    return DoNotCompare(a, b);
  }
  return a.json() == b.json();
}

Result<std::partial_ordering> OrderOf(const Value& a, const Value& b) {
  if (AreOfOneKind(a, b)) {
    if (a.is_text()) return a.text() <=> b.text();
    if (a.is_integer()) return a.integer() <=> b.integer();
    if (a.Is(Kind::kFloat)) return a.number() <=> b.number();
  }
  return DoNotCompare(a, b);
}

}  // namespace imgmount::gotmpl
