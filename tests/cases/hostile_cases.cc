// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "tests/cases/cases.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

using Tar = TarBuilder;

const std::string kEnd(1024, '\0');

std::string Zeros(size_t size) { return std::string(size, '\0'); }

// A sparse file of format 1.0 whose map is `map`.
std::string Sparse(const std::string& map, const std::string& data,
                   const std::string& size) {
  return Tar()
      .File("s", Padded(map) + data)
      .Pax("GNU.sparse.major", "1")
      .Pax("GNU.sparse.minor", "0")
      .Pax("GNU.sparse.realsize", size)
      .Build();
}

std::vector<Case> Names() {
  const std::string nul("a\0b", 3);
  return {
      {"name-outside-the-root", {Tar().File("../f", "").Build()}},
      {"name-climbs-out-of-the-root", {Tar().File("a/../../f", "").Build()}},
      {"name-with-a-nul", {Tar().File("f", "").Pax("path", nul).Build()}},
      {"name-of-256-bytes", {Tar().File(std::string(256, 'n'), "").Build()}},
      {"name-of-64-kib",
       {Tar().File(std::string(65536, 'n'), "").Gnu().Build()}},
      {"path-of-more-than-64-kib",
       {Tar()
            .File(
                std::string(200, 'n') +
                    [] {
                      std::string path;
                      for (int i = 0; i < 330; ++i)
                        path += "/" + std::string(200, 'n');
                      return path;
                    }(),
                "")
            .Build()}},
      {"name-is-empty", {RawHeader{.name = ""}.Block() + kEnd}},
      {"file-name-ends-in-a-slash", {Tar().File("f/", "x").Build()}},
      {"root-is-a-symlink", {Tar().Symlink("./", "etc").Build()}},
      {"sparse-name-outside-the-root",
       {Tar()
            .File("s", "x")
            .Pax("GNU.sparse.name", "../../s")
            .Pax("GNU.sparse.size", "1")
            .Pax("GNU.sparse.map", "0,1")
            .Build()}},
  };
}

std::vector<Case> Links() {
  return {
      {"hard-link-to-itself", {Tar().HardLink("l", "l").Build()}},
      {"hard-link-over-its-target",
       {Tar().File("f", "").HardLink("f", "f").Build()}},
      {"hard-links-in-a-circle",
       {Tar()
            .HardLink("a", "b")
            .HardLink("b", "c")
            .HardLink("c", "a")
            .Build()}},
      {"hard-link-to-a-directory", {Tar().Dir("d").HardLink("l", "d").Build()}},
      {"hard-link-to-the-root", {Tar().HardLink("l", "/").Build()}},
      {"hard-link-to-nothing", {Tar().HardLink("l", "no/such").Build()}},
      {"hard-link-to-what-a-lower-layer-hid",
       {Tar().File("f", "").Build(), Tar().Whiteout("f").Build(),
        Tar().HardLink("l", "f").Build()}},
      {"hard-link-target-outside-the-root",
       {Tar().HardLink("l", "../f").Build()}},
      {"hard-link-target-empty", {Tar().HardLink("l", "").Build()}},
      {"symlink-to-nowhere", {Tar().Symlink("l", "").Build()}},
      {"symlink-of-4096-bytes",
       {Tar().Symlink("l", std::string(4096, 't')).Build()}},
      {"symlink-target-with-a-nul",
       {Tar().Symlink("l", "t").Pax("linkpath", {"a\0b", 3}).Build()}},
      {"entry-under-a-file", {Tar().File("f", "").File("f/g", "").Build()}},
      {"entry-under-symlinks-in-a-circle",
       {Tar().Symlink("a", "b").Symlink("b", "a").File("a/f", "").Build()}},
  };
}

std::vector<Case> Whiteouts() {
  return {
      {"whiteout-bare", {Tar().File(".wh.", "").Build()}},
      {"whiteout-bare-in-a-directory", {Tar().File("d/.wh.", "").Build()}},
      {"whiteout-of-dot", {Tar().File(".wh..", "").Build()}},
      {"whiteout-of-dot-dot", {Tar().File(".wh...", "").Build()}},
      {"whiteout-of-the-root", {Tar().File("/.wh./", "").Build()}},
      {"whiteout-with-something-in-it", {Tar().File(".wh.d/f", "").Build()}},
      {"aufs-link-to-nothing",
       {Tar().HardLink("l", ".wh..wh.plnk/1.2").Build()}},
  };
}

std::vector<Case> Numbers() {
  return {
      {"size-negative", {RawHeader{.size = Base256(-5, 12)}.Block() + kEnd}},
      {"size-overflows",
       {RawHeader{.size = std::string("\x80") + std::string(11, '\xff')}
            .Block() +
        kEnd}},
      {"size-of-8-exbibytes",
       {RawHeader{.size = Base256(INT64_MAX, 12)}.Block() + kEnd}},
      {"size-beyond-the-tar",
       {Tar().File("f", "x").ClaimSize(1 << 30).Build()}},
      {"size-malformed", {RawHeader{.size = "12x"}.Block() + kEnd}},
      {"pax-size-negative", {Tar().File("f", "").Pax("size", "-1").Build()}},
      {"pax-size-overflows",
       {Tar().File("f", "").Pax("size", "99999999999999999999").Build()}},
      {"pax-size-of-a-directory", {Tar().Dir("d").Pax("size", "512").Build()}},
      {"mode-malformed", {RawHeader{.mode = "rwxr-xr"}.Block() + kEnd}},
      {"uid-malformed", {RawHeader{.uid = "root"}.Block() + kEnd}},
      {"uid-negative", {RawHeader{.uid = Base256(-1, 8)}.Block() + kEnd}},
      {"uid-beyond-32-bits",
       {Tar().File("f", "").Pax("uid", "4294967296").Build()}},
      {"gid-malformed", {Tar().File("f", "").Pax("gid", "0x10").Build()}},
      {"mtime-malformed", {Tar().File("f", "").Pax("mtime", "today").Build()}},
      {"mtime-overflows",
       {Tar().File("f", "").Pax("mtime", "9223372036854775808").Build()}},
      {"device-beyond-linux",
       {RawHeader{.type = '3', .major = Base256(4096, 8)}.Block() + kEnd}},
      {"device-malformed",
       {RawHeader{.type = '4', .minor = "one"}.Block() + kEnd}},
  };
}

std::vector<Case> Headers() {
  std::string broken = Tar().File("f", "x").Build();
  broken[3] = 'X';
  std::string broken_later = Tar().File("f", "x").File("g", "y").Build();
  broken_later[1027] = 'X';
  const std::string one = Tar().File("f", "x").Build(false);
  const auto pax = [](const std::string& body) {
    return Tar().File("x", body).Type('x').Build(false) +
           Tar().File("f", "").Build();
  };
  Tar many;
  for (int i = 0; i < 40; ++i) many.File("g", "").Type('g');
  return {
      {"no-tar",
       {"this was never a tar, and it is longer than one block" +
        std::string(600, '.')}},
      {"checksum-wrong", {broken}},
      {"checksum-wrong-later", {broken_later}},
      {"cut-in-a-header", {one + one.substr(0, 300)}},
      {"cut-in-the-data",
       {Tar().File("f", std::string(2000, 'x')).Build().substr(0, 1500)}},
      {"cut-after-a-pax-header",
       {Tar().File("x", PaxRecord("path", "f")).Type('x').Build(false)}},
      {"goes-on-after-one-block-of-zeros", {one + Zeros(512) + one}},
      {"type-unknown", {RawHeader{.type = 'Z'}.Block() + kEnd}},
      {"type-of-multi-volume", {RawHeader{.type = 'M'}.Block() + kEnd}},
      {"data-in-a-directory",
       {RawHeader{.name = "d/", .type = '5', .size = "00000001000"}.Block() +
        std::string(512, 'x') + kEnd}},
      {"pax-length-lies", {pax("99 path=x\n")}},
      {"pax-length-overflows", {pax("99999999999999999999 path=x\n")}},
      {"pax-length-is-no-number", {pax("xx path=x\n")}},
      {"pax-without-a-newline", {pax("9 path=xy")}},
      {"pax-without-a-key", {pax("5 =x\n")}},
      {"pax-of-a-gibibyte",
       {RawHeader{.name = "x", .type = 'x', .size = "10000000000"}.Block() +
        Zeros(4096)}},
      {"long-name-of-8-gibibytes",
       {RawHeader{.name = "././@LongLink",
                  .type = 'L',
                  .size = Base256(int64_t{8} << 30, 12)}
            .Block() +
        Zeros(4096)}},
      {"special-headers-without-end", {many.File("f", "").Build()}},
      {"xattr-without-a-name", {Tar().File("f", "").Xattr("", "v").Build()}},
      {"xattr-name-of-256-bytes",
       {Tar()
            .File("f", "")
            .Xattr("user." + std::string(251, 'n'), "v")
            .Build()}},
      {"xattr-of-more-than-64-kib",
       {Tar().File("f", "").Xattr("user.x", std::string(65537, 'x')).Build()}},
      {"xattr-name-with-a-nul",
       {Tar().File("f", "").Xattr({"user.\0x", 7}, "v").Build()}},
  };
}

std::vector<Case> SparseMaps() {
  return {
      {"sparse-map-overlaps", {Sparse("2\n0\n3\n1\n3\n", "abcdef", "10")}},
      {"sparse-map-goes-backward", {Sparse("2\n5\n3\n0\n3\n", "abcdef", "10")}},
      {"sparse-map-beyond-the-file",
       {Sparse("2\n0\n3\n9\n3\n", "abcdef", "10")}},
      {"sparse-map-beyond-the-data", {Sparse("1\n0\n900\n", "abc", "1000")}},
      {"sparse-map-leaves-data-over", {Sparse("1\n0\n2\n", "abc", "10")}},
      {"sparse-map-negative", {Sparse("1\n-5\n3\n", "abc", "10")}},
      {"sparse-map-overflows",
       {Sparse("1\n9223372036854775807\n9223372036854775807\n", "abc",
               "9223372036854775807")}},
      {"sparse-map-of-a-billion", {Sparse("1000000000\n0\n1\n", "", "10")}},
      {"sparse-map-is-no-number", {Sparse("many\n", "", "10")}},
      {"sparse-size-negative", {Sparse("1\n0\n3\n", "abc", "-1")}},
      {"sparse-format-unknown",
       {Tar()
            .File("s", "")
            .Pax("GNU.sparse.major", "2")
            .Pax("GNU.sparse.minor", "0")
            .Build()}},
      {"sparse-format-of-solaris",
       {Tar().File("s", "").Pax("SUN.holesdata", " 0 5").Build()}},
  };
}

std::vector<Case> Streams() {
  const std::string tar = Tar().File("f", TextLikeBytes(100'000, 1)).Build();
  const auto damaged = [](std::string blob, size_t at) {
    blob[at] = static_cast<char>(blob[at] ^ 0x55);
    return blob;
  };
  const std::string gzip = Gzip(tar);
  const std::string zstd = Zstd(tar);
  const std::string bzip2 = Bzip2(tar);
  const std::string xz = Xz(tar);
  std::string flags = gzip;
  flags[3] = '\xe0';
  return {
      {"gzip-cut", {gzip.substr(0, gzip.size() / 2)}},
      {"gzip-cut-in-its-trailer", {gzip.substr(0, gzip.size() - 4)}},
      {"gzip-damaged", {damaged(gzip, gzip.size() / 2)}},
      {"gzip-crc-wrong", {damaged(gzip, gzip.size() - 8)}},
      {"gzip-length-wrong", {damaged(gzip, gzip.size() - 1)}},
      {"gzip-garbage-after-it", {gzip + "garbage"}},
      {"gzip-flags-unknown", {flags}},
      {"zstd-cut", {zstd.substr(0, zstd.size() / 2)}},
      {"zstd-damaged", {damaged(zstd, zstd.size() - 2)}},
      {"zstd-garbage-after-it", {zstd + "garbage"}},
      {"zstd-window-of-2-gib",
       {std::string("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9)}},
      {"zstd-skippable-frame-cut",
       {zstd + std::string("\x50\x2a\x4d\x18\xff\0\0\0abc", 11)}},
      {"bzip2-cut", {bzip2.substr(0, bzip2.size() / 2)}},
      {"bzip2-damaged", {damaged(bzip2, bzip2.size() / 2)}},
      {"xz-cut", {xz.substr(0, xz.size() / 2)}},
      {"xz-damaged", {damaged(xz, xz.size() / 2)}},
  };
}

}  // namespace

std::vector<Case> HostileCases() {
  std::vector<Case> all;
  for (const auto& make :
       {Names, Links, Whiteouts, Numbers, Headers, SparseMaps, Streams}) {
    for (Case& c : make()) all.push_back(std::move(c));
  }
  return all;
}

}  // namespace imgmount::testing
