// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/challenge.h"

#include <algorithm>
#include <cctype>

namespace imgmount {
namespace {

bool IsTokenChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  void SkipSpace() {
    while (!done() && (rest_[0] == ' ' || rest_[0] == '\t')) Step();
  }
  bool Take(char c) {
    if (done() || rest_[0] != c) return false;
    Step();
    return true;
  }
  void Step() { rest_.remove_prefix(1); }
  std::string_view Token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsTokenChar);
    const auto token =
        rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(token.size());
    return token;
  }
  // After the opening quote; an unfinished string ends with the header.
  std::string QuotedRest() {
    std::string out;
    while (!done() && !Take('"')) {
      if (Take('\\') && done()) break;
      out += rest_[0];
      Step();
    }
    return out;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> ParseChallenges(std::string_view header) {
  std::vector<Challenge> challenges;
  Scanner scanner(header);
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
