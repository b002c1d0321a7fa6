// SPDX-License-Identifier: Apache-2.0
#include "meta/base/base64.h"

#include <openssl/evp.h>

namespace imgmount {

std::string ToBase64(std::string_view text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(length));
  return out;
}

std::optional<std::string> FromBase64(std::string text) {
  if (text.size() % 4 != 0) text.append(4 - text.size() % 4, '=');
  std::string out(text.size() / 4 * 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (length < 0) return {};
  auto size = static_cast<size_t>(length);
  // OpenSSL counts the padding as zero bytes.
  for (auto c = text.rbegin(); c != text.rend() && *c == '=' && size > 0; ++c) {
    --size;
  }
  out.resize(size);
  return out;
}

}  // namespace imgmount
