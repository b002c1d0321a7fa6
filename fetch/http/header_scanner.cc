// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/header_scanner.h"

#include <algorithm>
#include <cctype>

namespace imgmount {
namespace {

bool IsTokenChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

void HeaderScanner::SkipSpace() {
  while (!done() && (rest_[0] == ' ' || rest_[0] == '\t')) Step();
}

bool HeaderScanner::Take(char c) {
  if (done() || rest_[0] != c) return false;
  Step();
  return true;
}

std::string_view HeaderScanner::Token() {
  const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsTokenChar);
  const auto token = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
  rest_.remove_prefix(token.size());
  return token;
}

std::string HeaderScanner::QuotedRest() {
  std::string out;
  while (!done() && !Take('"')) {
    if (Take('\\') && done()) break;
    out += rest_[0];
    Step();
  }
  return out;
}

}  // namespace imgmount
