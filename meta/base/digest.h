// SPDX-License-Identifier: Apache-2.0
// Content digests, as in the OCI image-spec's descriptor.md: "sha256:<hex>".
//
// Digest names the bytes as published (a blob); DiffId names a layer's
// uncompressed tar; ChainId names a stack of layers. They look alike and mean
// different things, so they are different types.
#ifndef IMGMOUNT_META_BASE_DIGEST_H_
#define IMGMOUNT_META_BASE_DIGEST_H_

#include <openssl/types.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

enum class DigestAlgorithm : uint8_t { kSha256, kSha512 };

// A digest value; always valid once made. Compares bytewise.
template <typename Tag>
class BasicDigest {
 public:
  // Accepts "sha256:<64 lower-case hex>" and "sha512:<128 …>" only.
  static Result<BasicDigest> Parse(std::string_view text);
  static BasicDigest FromText(std::string text) {
    BasicDigest d;
    d.text_ = std::move(text);
    return d;
  }

  const std::string& text() const { return text_; }  // "sha256:ab…"
  std::string_view hex() const {
    return std::string_view(text_).substr(text_.find(':') + 1);
  }
  std::string_view short_hex() const { return hex().substr(0, 12); }
  DigestAlgorithm algorithm() const {
    return text_.starts_with("sha512:") ? DigestAlgorithm::kSha512
                                        : DigestAlgorithm::kSha256;
  }

  auto operator<=>(const BasicDigest&) const = default;

 private:
  BasicDigest() = default;
  std::string text_;
};

using Digest = BasicDigest<struct DigestTag>;
using DiffId = BasicDigest<struct DiffIdTag>;
using ChainId = BasicDigest<struct ChainIdTag>;

// Checks the syntax that Parse accepts.
Status CheckDigestSyntax(std::string_view text);

template <typename Tag>
Result<BasicDigest<Tag>> BasicDigest<Tag>::Parse(std::string_view text) {
  IMGMOUNT_CHECK(CheckDigestSyntax(text));
  return FromText(std::string(text));
}

// Incremental hashing by OpenSSL EVP. Not thread-safe; movable.
class Hasher {
 public:
  explicit Hasher(DigestAlgorithm algorithm = DigestAlgorithm::kSha256);
  void Update(std::span<const std::byte> data);
  void Update(std::string_view data);
  // Ends the hash and returns "sha256:<hex>"; the hasher is spent.
  std::string FinishText();
  Digest FinishDigest() { return Digest::FromText(FinishText()); }
  DiffId FinishDiffId() { return DiffId::FromText(FinishText()); }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* ctx) const;
  };
  DigestAlgorithm algorithm_;
  std::unique_ptr<EVP_MD_CTX, Free> ctx_;
};

Digest DigestOf(std::string_view bytes,
                DigestAlgorithm algorithm = DigestAlgorithm::kSha256);
std::array<std::byte, 32> Sha256(std::span<const std::byte> bytes);

// OCI image-spec config.md, "Layer ChainID": the chain ID of one more layer.
ChainId ExtendChain(const ChainId* parent, const DiffId& diff_id);

}  // namespace imgmount

template <typename Tag>
struct std::hash<imgmount::BasicDigest<Tag>> {
  size_t operator()(const imgmount::BasicDigest<Tag>& d) const noexcept {
    return std::hash<std::string>()(d.text());
  }
};

#endif  // IMGMOUNT_META_BASE_DIGEST_H_
