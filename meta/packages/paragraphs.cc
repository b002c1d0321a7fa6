// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/paragraphs.h"

#include <map>
#include <utility>

namespace imgmount {
namespace {

using Fields = std::map<std::string_view, std::string_view>;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Calls `use` with the fields of each paragraph; lines that go on a field
// (they start with a blank) are of no interest here.
template <typename Use>
void ForEachParagraph(std::string_view text, const Use& use) {
  Fields fields;
  while (true) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (Trimmed(line).empty()) {
      if (!fields.empty()) use(std::exchange(fields, {}));
    } else if (const size_t colon = line.find(':');
               colon != std::string_view::npos && line[0] != ' ' &&
               line[0] != '\t') {
      fields.emplace(line.substr(0, colon), Trimmed(line.substr(colon + 1)));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (!fields.empty()) use(fields);
}

std::string Field(const Fields& fields, std::string_view key) {
  const auto it = fields.find(key);
  return it == fields.end() ? std::string() : std::string(it->second);
}

}  // namespace

std::vector<Package> ParseDpkgStatus(std::string_view text) {
  std::vector<Package> packages;
  ForEachParagraph(text, [&](const Fields& fields) {
    // "want flag status", as in "install ok installed".
    const std::string status = Field(fields, "Status");
    if (status.ends_with(" not-installed") ||
        status.ends_with(" config-files")) {
      return;
    }
    Package package{"dpkg", Field(fields, "Package"),
                    Field(fields, "Architecture"), Field(fields, "Version")};
    if (!package.name.empty()) packages.push_back(std::move(package));
  });
  return packages;
}

std::vector<Package> ParseApkInstalled(std::string_view text) {
  std::vector<Package> packages;
  ForEachParagraph(text, [&](const Fields& fields) {
    Package package{"apk", Field(fields, "P"), Field(fields, "A"),
                    Field(fields, "V")};
    if (!package.name.empty()) packages.push_back(std::move(package));
  });
  return packages;
}

}  // namespace imgmount
