// SPDX-License-Identifier: Apache-2.0
// The WWW-Authenticate header (RFC 9110, 11.6.1).
#ifndef IMGMOUNT_FETCH_AUTH_CHALLENGE_H_
#define IMGMOUNT_FETCH_AUTH_CHALLENGE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace imgmount {

struct Challenge {
  std::string scheme;                         // in lower case
  std::map<std::string, std::string> params;  // names in lower case; first wins
  bool operator==(const Challenge&) const = default;
};

// All challenges of one header, in order. What is malformed is skipped: a
// server that speaks badly is treated like one that offers nothing.
std::vector<Challenge> ParseChallenges(std::string_view header);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_AUTH_CHALLENGE_H_
