// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/path_filter.h"

#include <fnmatch.h>

#include <algorithm>

namespace imgmount {
namespace {

bool AnyMatches(const std::vector<std::string>& patterns,
                const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) {
                       return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
                     });
}

}  // namespace

PathFilter::PathFilter(const std::vector<std::string>& excluded) {
  for (std::string pattern : excluded) {
    while (pattern.size() > 1 && pattern.back() == '/') pattern.pop_back();
    if (pattern.find('/') == std::string::npos) {
      names_.push_back(std::move(pattern));
    } else {
      if (pattern.front() != '/') pattern.insert(0, 1, '/');
      paths_.push_back(std::move(pattern));
    }
  }
}

bool PathFilter::ExcludesName(const std::string& name) const {
  return AnyMatches(names_, name);
}

bool PathFilter::ExcludesPath(const std::string& path) const {
  return AnyMatches(paths_, path);
}

}  // namespace imgmount
