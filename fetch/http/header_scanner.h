// SPDX-License-Identifier: Apache-2.0
// HeaderScanner: goes through the value of an HTTP header (RFC 9110, 5.6).
#ifndef IMGMOUNT_FETCH_HTTP_HEADER_SCANNER_H_
#define IMGMOUNT_FETCH_HTTP_HEADER_SCANNER_H_

#include <string>
#include <string_view>

namespace imgmount {

class HeaderScanner {
 public:
  // The text outlives it.
  explicit HeaderScanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  void SkipSpace();
  // Whether `c` comes next; then it is passed.
  bool Take(char c);
  // Passes a character. REQUIRES: !done().
  void Step() { rest_.remove_prefix(1); }
  // The longest token here; "" where there is none.
  std::string_view Token();
  // After the opening quote; an unfinished string ends with the header.
  std::string QuotedRest();

 private:
  std::string_view rest_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_HEADER_SCANNER_H_
