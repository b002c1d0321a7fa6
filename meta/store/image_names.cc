// SPDX-License-Identifier: Apache-2.0
#include "meta/store/image_names.h"

#include <algorithm>

#include "meta/cli/suggest.h"
#include "meta/image/reference.h"

namespace imgmount {
namespace {

std::string WithoutTag(std::string_view text) {
  const auto reference = Reference::Parse(text);
  return reference ? reference->FamiliarName() : std::string(text);
}

}  // namespace

std::string ShownName(const std::string& name) {
  const auto reference = Reference::Parse(name);
  const bool is_reference = reference && reference->Canonical() == name;
  return is_reference ? reference->Familiar() : name;
}

std::string DidYouMeanImage(std::string_view text,
                            const std::vector<std::string>& shown_names) {
  if (std::find(shown_names.begin(), shown_names.end(), text) !=
      shown_names.end()) {
    return "";
  }
  std::string hint = DidYouMean(text, shown_names);
  if (!hint.empty()) return hint;
  std::vector<std::string> without_tags;
  for (const std::string& name : shown_names) {
    without_tags.push_back(WithoutTag(name));
  }
  const std::string closest = Closest(WithoutTag(text), without_tags);
  for (size_t i = 0; i < shown_names.size(); ++i) {
    if (!closest.empty() && without_tags[i] == closest) {
      return "; did you mean " + shown_names[i] + "?";
    }
  }
  return "";
}

}  // namespace imgmount
