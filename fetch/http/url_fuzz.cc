// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any Location header. A URL that comes of it means the same when it
// is read again, and shows no password and no query.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fetch/http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using imgmount::Url;
  static const Url base = *Url::Parse("https://registry.example.com/v2/x?y=z");
  const auto url =
      base.Resolve(std::string(reinterpret_cast<const char*>(data), size));
  if (!url) return 0;
  const auto again = Url::Parse(url->text());
  if (!again || again->text() != url->text() ||
      again->origin() != url->origin() || again->secure() != url->secure()) {
    std::abort();
  }
  if (url->display().find('?') != std::string::npos) std::abort();
  return 0;
}
