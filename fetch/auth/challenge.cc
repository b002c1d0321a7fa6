// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/challenge.h"

#include <algorithm>
#include <cctype>

#include "fetch/http/header_scanner.h"

namespace imgmount {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

std::vector<Challenge> ParseChallenges(std::string_view header) {
  std::vector<Challenge> challenges;
  HeaderScanner scanner(header);
  while (!scanner.done()) {
    scanner.SkipSpace();
    if (scanner.Take(',')) continue;
    const std::string_view token = scanner.Token();
    if (token.empty()) {
      if (!scanner.done()) scanner.Step();
      continue;
    }
    scanner.SkipSpace();
    // A comma separates parameters as well as challenges; only what follows
    // the word tells which it is.
    if (!scanner.Take('=')) {
      challenges.push_back({Lower(token), {}});
      continue;
    }
    scanner.SkipSpace();
    std::string value =
        scanner.Take('"') ? scanner.QuotedRest() : std::string(scanner.Token());
    if (challenges.empty()) continue;
    challenges.back().params.emplace(Lower(token), std::move(value));
  }
  return challenges;
}

}  // namespace imgmount
