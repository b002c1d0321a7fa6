// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/package_diff.h"

#include <algorithm>
#include <compare>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "meta/changes/change_report.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

// By name first, so that the list reads by name.
struct Key {
  std::string name;
  std::string architecture;
  std::string manager;
  auto operator<=>(const Key&) const = default;
};
struct Versions {
  std::vector<std::string> a;
  std::vector<std::string> b;
};

std::vector<std::string> Without(const std::vector<std::string>& versions,
                                 const std::vector<std::string>& others) {
  std::vector<std::string> rest;
  std::set_difference(versions.begin(), versions.end(), others.begin(),
                      others.end(), std::back_inserter(rest));
  return rest;
}

}  // namespace

std::vector<PackageChange> DiffPackages(const std::vector<Package>& a,
                                        const std::vector<Package>& b) {
  std::map<Key, Versions> known;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> homonyms;
  const auto add = [&](const Package& package) -> Versions& {
    homonyms[{package.manager, package.name}].insert(package.architecture);
    return known[{package.name, package.architecture, package.manager}];
  };
  for (const Package& package : a) add(package).a.push_back(package.version);
  for (const Package& package : b) add(package).b.push_back(package.version);

  std::vector<PackageChange> changes;
  for (const auto& entry : known) {
    const Key& key = entry.first;
    const Versions& versions = entry.second;
    const bool ambiguous = homonyms[{key.manager, key.name}].size() > 1;
    const auto put = [&](char kind, std::string from, std::string to) {
      changes.push_back({kind, key.manager, key.name, key.architecture,
                         std::move(from), std::move(to), ambiguous});
    };
    const auto went = Without(versions.a, versions.b);
    const auto came = Without(versions.b, versions.a);
    if (versions.a.size() == 1 && versions.b.size() == 1) {
      if (!went.empty()) put('C', went[0], came[0]);
      continue;
    }
    for (const std::string& version : went) put('D', version, "");
    for (const std::string& version : came) put('A', "", version);
  }
  return changes;
}

void WritePackagesText(const std::vector<PackageChange>& changes, bool colour,
                       std::ostream& out) {
  for (const PackageChange& change : changes) {
    const auto kind = static_cast<ChangeKind>(change.kind);
    out << KindText(kind, colour) << ' ' << Printable(change.name);
    if (change.is_ambiguous) out << ':' << Printable(change.architecture);
    out << ' ';
    if (change.kind != 'A') out << Printable(change.version_a);
    if (change.kind == 'C') out << " -> ";
    if (change.kind != 'D') out << Printable(change.version_b);
    out << '\n';
  }
}

void WritePackagesJson(const std::vector<PackageChange>& changes,
                       std::ostream& out) {
  out << '[';
  const char* separator = "\n";
  for (const PackageChange& change : changes) {
    nlohmann::ordered_json element = {{"package", change.name},
                                      {"manager", change.manager},
                                      {"architecture", change.architecture},
                                      {"kind", std::string(1, change.kind)}};
    if (change.kind != 'A') element["a"] = change.version_a;
    if (change.kind != 'D') element["b"] = change.version_b;
    out << separator << JsonText(element);
    separator = ",\n";
  }
  out << "\n]";
}

}  // namespace imgmount
