// SPDX-License-Identifier: Apache-2.0
#include "meta/base/digest.h"

#include <openssl/evp.h>

#include <algorithm>

namespace imgmount {
namespace {

const EVP_MD* Method(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kSha512 ? EVP_sha512() : EVP_sha256();
}

std::string Hex(std::span<const unsigned char> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (unsigned char b : bytes) {
    hex += kDigits[b >> 4];
    hex += kDigits[b & 15];
  }
  return hex;
}

}  // namespace

Status CheckDigestSyntax(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view algorithm = text.substr(0, colon);
  const size_t want = algorithm == "sha256"   ? 64
                      : algorithm == "sha512" ? 128
                                              : 0;
  const std::string shown(text.substr(0, 160));
  if (colon == std::string_view::npos || want == 0) {
    return Fail(ErrorCode::kCorrupt,
                "malformed digest \"" + shown +
                    "\": expected sha256:<64 hex digits> or "
                    "sha512:<128 hex digits>");
  }
  const std::string_view hex = text.substr(colon + 1);
  const bool all_hex = std::all_of(hex.begin(), hex.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (hex.size() != want || !all_hex) {
    return Fail(ErrorCode::kCorrupt,
                "malformed digest \"" + shown + "\": expected " +
                    std::to_string(want) + " lower-case hex digits");
  }
  return {};
}

void Hasher::Free::operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }

Hasher::Hasher(DigestAlgorithm algorithm)
    : algorithm_(algorithm), ctx_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(ctx_.get(), Method(algorithm), nullptr);
}

void Hasher::Update(std::span<const std::byte> data) {
  EVP_DigestUpdate(ctx_.get(), data.data(), data.size());
}

void Hasher::Update(std::string_view data) {
  EVP_DigestUpdate(ctx_.get(), data.data(), data.size());
}

std::string Hasher::FinishText() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned int size = 0;
  EVP_DigestFinal_ex(ctx_.get(), out.data(), &size);
  return (algorithm_ == DigestAlgorithm::kSha512 ? "sha512:" : "sha256:") +
         Hex(std::span(out).first(size));
}

Digest DigestOf(std::string_view bytes, DigestAlgorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.Update(bytes);
  return hasher.FinishDigest();
}

std::array<std::byte, 32> Sha256(std::span<const std::byte> bytes) {
  std::array<std::byte, 32> out;
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(),
             reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(),
             nullptr);
  return out;
}

ChainId ExtendChain(const ChainId* parent, const DiffId& diff_id) {
  if (parent == nullptr) return ChainId::FromText(diff_id.text());
  return ChainId::FromText(
      DigestOf(parent->text() + " " + diff_id.text()).text());
}

}  // namespace imgmount
