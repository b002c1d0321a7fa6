// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/git_binary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace imgmount {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr size_t kLineBytes = 52;
constexpr std::string_view kBase85 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "!#$%&()*+-;<=>?@^_`{|}~";

class BlobHasher {
 public:
  explicit BlobHasher(uint64_t size) : context_(::EVP_MD_CTX_new()) {
    ::EVP_DigestInit_ex(context_.get(), ::EVP_sha1(), nullptr);
    const std::string header = fmt::format("blob {}", size);
    Update(std::as_bytes(std::span(header.c_str(), header.size() + 1)));
  }

  void Update(std::span<const std::byte> bytes) {
    ::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }

  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ::EVP_DigestFinal_ex(context_.get(), digest, &size);
    return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// A letter for the number of bytes, then five digits for each four of them.
std::string Base85Line(std::string_view bytes) {
  const size_t size = bytes.size();
  std::string line(
      1, static_cast<char>(size <= 26 ? 'A' + size - 1 : 'a' + size - 27));
  for (size_t at = 0; at < size; at += 4) {
    uint32_t word = 0;
    for (size_t i = at; i < at + 4; ++i) {
      word = word << 8 | (i < size ? static_cast<uint8_t>(bytes[i]) : 0);
    }
    char digits[5];
    for (size_t i = 5; i-- > 0; word /= 85) digits[i] = kBase85[word % 85];
    line.append(digits, sizeof digits);
  }
  return line + '\n';
}

}  // namespace

std::string GitBlobId(std::string_view content) {
  BlobHasher hasher(content.size());
  hasher.Update(std::as_bytes(std::span(content)));
  return hasher.Finish();
}

Result<std::string> GitBlobId(DiffTree& tree, const Inode& file) {
  BlobHasher hasher(file.size);
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t offset = 0; offset < file.size;) {
    IMGMOUNT_TRY(const size_t n, tree.Read(file.ino, offset, chunk));
    if (n == 0) break;
    hasher.Update(std::span(chunk).first(n));
    offset += n;
  }
  return hasher.Finish();
}

std::string GitLiteral(std::string_view content) {
  uLongf size = ::compressBound(content.size());
  std::string packed(size, '\0');
  ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
              reinterpret_cast<const Bytef*>(content.data()), content.size(),
              Z_DEFAULT_COMPRESSION);
  packed.resize(size);
  std::string text = fmt::format("literal {}\n", content.size());
  for (size_t at = 0; at < size; at += kLineBytes) {
    text += Base85Line(std::string_view(packed).substr(at, kLineBytes));
  }
  return text + '\n';
}

}  // namespace imgmount
