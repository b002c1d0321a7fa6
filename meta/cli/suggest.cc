// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/suggest.h"

#include <algorithm>

namespace imgmount {
namespace {

constexpr size_t kLettersPerError = 3;
// Longer words are compared by their beginnings: it takes their product.
constexpr size_t kMaxLetters = 200;

// The optimal string alignment distance.
size_t Distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kMaxLetters);
  b = b.substr(0, kMaxLetters);
  // rows[0] is the current row, behind it those of one and two letters less.
  std::vector<std::vector<size_t>> rows(3, std::vector<size_t>(b.size() + 1));
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::rotate(rows.begin(), rows.end() - 1, rows.end());
    auto& row = rows[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] =
          std::min({row[j - 1] + 1, rows[1][j] + 1, rows[1][j - 1] + wrong});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], rows[2][j - 2] + 1);
      }
    }
  }
  return rows[0][b.size()];
}

}  // namespace

std::string Closest(std::string_view word,
                    const std::vector<std::string>& candidates) {
  const size_t last = word.size() - (word.rfind('/') + 1);  // npos + 1 is 0
  size_t least = std::max<size_t>(last / kLettersPerError, 1) + 1;
  std::string closest;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(word, candidate);
    if (distance < least) {
      least = distance;
      closest = candidate;
    }
  }
  return closest;
}

std::string DidYouMean(std::string_view word,
                       const std::vector<std::string>& candidates) {
  const std::string closest = Closest(word, candidates);
  return closest.empty() ? "" : "; did you mean " + closest + "?";
}

}  // namespace imgmount
