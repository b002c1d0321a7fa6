// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tar_builder.h"

#include <bzlib.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <system_error>

namespace imgmount::testing {
namespace {

constexpr size_t kBlock = 512;

void PadToBlock(std::string& out) {
  out.append((kBlock - out.size() % kBlock) % kBlock, '\0');
}

bool FitsOctal(int64_t value, size_t digits) {
  return value >= 0 && (static_cast<uint64_t>(value) >> (3 * digits)) == 0;
}

// An octal field of `width` bytes with its NUL, or base-256 where it must be.
void PutNumber(char* field, size_t width, int64_t value) {
  if (FitsOctal(value, width - 1)) {
    for (size_t i = width - 1; i-- > 0; value >>= 3) {
      field[i] = static_cast<char>('0' + (value & 7));
    }
    return;
  }
  for (size_t i = width; i-- > 0; value >>= 8) {
    field[i] = static_cast<char>(value & 0xff);
  }
  field[0] = static_cast<char>(field[0] | 0x80);
}

void Check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

}  // namespace

TarBuilder& TarBuilder::Add(char type, std::string path, uint32_t mode) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.mode = mode;
  entries_.push_back(std::move(entry));
  return *this;
}

TarBuilder& TarBuilder::Dir(std::string path) {
  return Add('5', std::move(path), 0755);
}

TarBuilder& TarBuilder::File(std::string path, std::string content) {
  Add('0', std::move(path), 0644);
  entries_.back().content = std::move(content);
  return *this;
}

TarBuilder& TarBuilder::Symlink(std::string path, std::string target) {
  return Add('2', std::move(path), 0777).LinkTarget(std::move(target));
}

TarBuilder& TarBuilder::HardLink(std::string path, std::string target) {
  return Add('1', std::move(path), 0644).LinkTarget(std::move(target));
}

TarBuilder& TarBuilder::CharDevice(std::string path, uint32_t major,
                                   uint32_t minor) {
  Add('3', std::move(path), 0644);
  entries_.back().major = major;
  entries_.back().minor = minor;
  return *this;
}

TarBuilder& TarBuilder::BlockDevice(std::string path, uint32_t major,
                                    uint32_t minor) {
  return CharDevice(std::move(path), major, minor).Type('4');
}

TarBuilder& TarBuilder::Fifo(std::string path) {
  return Add('6', std::move(path), 0644);
}

TarBuilder& TarBuilder::Whiteout(const std::string& hidden_path) {
  const size_t name = hidden_path.rfind('/') + 1;  // npos + 1 == 0
  return File(hidden_path.substr(0, name) + ".wh." + hidden_path.substr(name),
              "");
}

TarBuilder& TarBuilder::Opaque(const std::string& directory) {
  return File(directory.empty() ? ".wh..wh..opq" : directory + "/.wh..wh..opq",
              "");
}

TarBuilder& TarBuilder::Raw(std::string bytes) {
  Add('\0', "", 0);
  entries_.back().content = std::move(bytes);
  return *this;
}

TarBuilder& TarBuilder::Mode(uint32_t mode) {
  entries_.back().mode = mode;
  return *this;
}

TarBuilder& TarBuilder::Owner(int64_t uid, int64_t gid) {
  entries_.back().uid = uid;
  entries_.back().gid = gid;
  return *this;
}

TarBuilder& TarBuilder::Mtime(int64_t seconds) {
  entries_.back().mtime = seconds;
  return *this;
}

TarBuilder& TarBuilder::Xattr(std::string_view name, std::string_view value) {
  return Pax("SCHILY.xattr." + std::string(name), std::string(value));
}

TarBuilder& TarBuilder::Pax(std::string key, std::string value) {
  entries_.back().pax.emplace_back(std::move(key), std::move(value));
  return *this;
}

TarBuilder& TarBuilder::Type(char typeflag) {
  entries_.back().type = typeflag;
  return *this;
}

TarBuilder& TarBuilder::Gnu() {
  entries_.back().gnu = true;
  return *this;
}

TarBuilder& TarBuilder::ClaimSize(uint64_t size) {
  entries_.back().claims_size = true;
  entries_.back().claimed_size = size;
  return *this;
}

TarBuilder& TarBuilder::LinkTarget(std::string target) {
  entries_.back().target = std::move(target);
  return *this;
}

void TarBuilder::Render(const Entry& entry, std::string& out) {
  if (entry.type == '\0') {
    out += entry.content;
    return;
  }
  Entry main = entry;
  std::string pax;
  const auto extend = [&](const char* key, char gnu_type, std::string& text) {
    if (text.size() <= 100) return;
    if (entry.gnu) {
      Entry extra;
      extra.type = gnu_type;
      extra.path = "././@LongLink";
      extra.content = text + '\0';
      extra.gnu = true;
      Render(extra, out);
    } else {
      pax += PaxRecord(key, text);
    }
    text.resize(100);
  };
  extend("linkpath", 'K', main.target);
  extend("path", 'L', main.path);
  const auto extend_number = [&](const char* key, int64_t& value,
                                 size_t digits) {
    if (entry.gnu || FitsOctal(value, digits)) return;
    pax += PaxRecord(key, std::to_string(value));
    value = 0;
  };
  extend_number("uid", main.uid, 7);
  extend_number("gid", main.gid, 7);
  extend_number("mtime", main.mtime, 11);
  for (const auto& [key, value] : entry.pax) pax += PaxRecord(key, value);
  if (!pax.empty()) {
    Entry extra;
    extra.type = 'x';
    extra.path = "PaxHeaders/entry";
    extra.content = std::move(pax);
    Render(extra, out);
  }

  char header[kBlock] = {};
  std::memcpy(header, main.path.data(), main.path.size());
  PutNumber(header + 100, 8, main.mode);
  PutNumber(header + 108, 8, main.uid);
  PutNumber(header + 116, 8, main.gid);
  PutNumber(header + 124, 12,
            static_cast<int64_t>(main.claims_size ? main.claimed_size
                                                  : main.content.size()));
  PutNumber(header + 136, 12, main.mtime);
  header[156] = main.type;
  std::memcpy(header + 157, main.target.data(), main.target.size());
  std::memcpy(header + 257, main.gnu ? "ustar  " : "ustar\00000", 8);
  PutNumber(header + 329, 8, main.major);
  PutNumber(header + 337, 8, main.minor);
  std::memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  PutNumber(header + 148, 7, sum);
  out.append(header, kBlock);
  out += main.content;
  PadToBlock(out);
}

std::string TarBuilder::Build(bool end_marker) const {
  std::string out;
  for (const Entry& entry : entries_) Render(entry, out);
  if (end_marker) out.append(2 * kBlock, '\0');
  return out;
}

std::string PaxRecord(std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;  // " ", "=", "\n"
  size_t length = rest;
  while (rest + std::to_string(length).size() != length) {
    length = rest + std::to_string(length).size();
  }
  std::string record = std::to_string(length);
  record.append(" ").append(key).append("=").append(value).append("\n");
  return record;
}

std::string Gzip(std::string_view data, int level) {
  z_stream stream = {};
  Check(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK,
        "deflateInit2");
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  Check(status == Z_STREAM_END, "deflate");
  return out;
}

std::string Zstd(std::string_view data, int level) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const size_t size =
      ZSTD_compress(out.data(), out.size(), data.data(), data.size(), level);
  Check(ZSTD_isError(size) == 0, "ZSTD_compress");
  out.resize(size);
  return out;
}

std::string Bzip2(std::string_view data) {
  std::string out(data.size() + data.size() / 50 + 1000, '\0');
  auto size = static_cast<unsigned>(out.size());
  Check(BZ2_bzBuffToBuffCompress(
            out.data(), &size, const_cast<char*>(data.data()),
            static_cast<unsigned>(data.size()), 9, 0, 0) == BZ_OK,
        "BZ2_bzBuffToBuffCompress");
  out.resize(size);
  return out;
}

std::string Xz(std::string_view data) {
  std::string out(lzma_stream_buffer_bound(data.size()), '\0');
  size_t size = 0;
  Check(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr,
                                reinterpret_cast<const uint8_t*>(data.data()),
                                data.size(),
                                reinterpret_cast<uint8_t*>(out.data()), &size,
                                out.size()) == LZMA_OK,
        "lzma_easy_buffer_encode");
  out.resize(size);
  return out;
}

std::string RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(size + 8, '\0');
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t value = random();
    std::memcpy(out.data() + i, &value, 8);
  }
  out.resize(size);
  return out;
}

std::string TextLikeBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 2000; ++i) {
    std::string word(2 + random() % 9, ' ');
    for (char& c : word) c = static_cast<char>('a' + random() % 26);
    words.push_back(word + (random() % 8 == 0 ? '\n' : ' '));
  }
  std::string out;
  out.reserve(size + 16);
  while (out.size() < size) {
    // Squared: some words are far more frequent than others.
    const size_t r = random() % words.size();
    out += words[r * r / words.size()];
  }
  out.resize(size);
  return out;
}

TemporaryFolder::TemporaryFolder() {
  std::string name =
      (std::filesystem::temp_directory_path() / "imgmount-test-XXXXXX")
          .string();
  Check(::mkdtemp(name.data()) != nullptr, "mkdtemp");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace imgmount::testing
