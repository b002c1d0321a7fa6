// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any body of an answer without success. What is shown of it is
// short, and moves no cursor.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fetch/http/error_body.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* media_type : {"", "text/plain", "text/html"}) {
    const std::string message = imgmount::RegistryMessage(body, media_type);
    const bool moves = std::any_of(message.begin(), message.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (moves || message.size() > 400) std::abort();
  }
  return 0;
}
