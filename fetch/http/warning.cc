// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/warning.h"

#include "fetch/http/header_scanner.h"
#include "fetch/http/http_client.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr size_t kMaxText = 1000;

}  // namespace

std::vector<std::string> ParseWarnings(std::string_view header) {
  std::vector<std::string> texts;
  HeaderScanner scanner(header);
  while (true) {
    scanner.SkipSpace();
    if (scanner.Take(',')) continue;
    const std::string_view code = scanner.Token();
    scanner.SkipSpace();
    const std::string_view agent = scanner.Token();
    // Behind an agent that is a host there may be its port.
    if (scanner.Take(':')) scanner.Token();
    scanner.SkipSpace();
    if (!scanner.Take('"')) return texts;
    const std::string text = scanner.QuotedRest();
    scanner.SkipSpace();
    if (scanner.Take('"')) scanner.QuotedRest();  // the date
    if (code == "299" && agent == "-" && !text.empty()) {
      texts.push_back(Printable(text, kMaxText));
    }
  }
}

}  // namespace imgmount
