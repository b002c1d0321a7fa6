// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_walk.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <locale.h>

#include <fstream>
#include <sstream>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using testing::PaxRecord;
using testing::TarBuilder;

// Walks `tar` in pieces of `step` bytes.
Result<LayerIndex> WalkIn(std::string_view tar, size_t step,
                          uint64_t limit = UINT64_MAX) {
  std::string piece;  // a fresh place each time, as the sanitizers like it
  const NextPiece next = [&]() -> std::span<const std::byte> {
    piece = std::string(tar.substr(0, step));
    tar.remove_prefix(piece.size());
    piece.shrink_to_fit();
    return std::as_bytes(std::span(piece));
  };
  return WalkTar(next, [&] { return limit; });
}

std::string DumpOf(std::string_view tar, size_t step = 1 << 20) {
  auto index = WalkIn(tar, step);
  return index ? index->Dump() : "error: " + index.error().message() + "\n";
}

Error ErrorOf(std::string_view tar) {
  auto index = WalkIn(tar, 1 << 20);
  if (!index) return index.error();
  return Error(ErrorCode::kInternal, "no error, but:\n" + index->Dump());
}

// The tar that a script makes at test time in `folder`.
std::string OutTar(const testing::TemporaryFolder& folder,
                   const std::string& script) {
  const std::string command =
      "cd '" + folder.path().string() + "' && " + script;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(folder.path() / "out.tar", std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

// A file's bytes by its extents, as a reader of the tar would put them.
std::string Content(const EntryView& e, std::string_view tar) {
  std::string content(e.size, '\0');
  for (const Extent& x : e.extents) {
    content.replace(x.logical, x.length, tar.substr(x.physical, x.length));
  }
  return content;
}

TEST(TarWalk, EveryTypeOfEntry) {
  const std::string tar = TarBuilder()
                              .Dir("./")
                              .Dir("./etc/")
                              .Mode(01777)
                              .File("./etc/motd", "hello\n")
                              .Mode(06755)
                              .Owner(1000, 0)
                              .Mtime(1'700'000'000)
                              .File("empty", "")
                              .Symlink("link", "../any//where/")
                              .Mode(0644)
                              .HardLink("etc/same", "./etc/motd")
                              .CharDevice("dev/null", 1, 3)
                              .Mode(0666)
                              .BlockDevice("dev/sda", 8, 300)
                              .Fifo("run/pipe")
                              .File("contiguous", "7")
                              .Type('7')
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "dir 0755 0:0 0 0.000000000 .\n"
            "dir 1777 0:0 0 0.000000000 etc\n"
            "file 6755 1000:0 6 1700000000.000000000 etc/motd 0+6@1536\n"
            "file 0644 0:0 0 0.000000000 empty\n"
            "symlink 0777 0:0 0 0.000000000 link -> ../any//where/\n"
            "link 0644 0:0 0 0.000000000 etc/same => etc/motd\n"
            "char 0666 0:0 0 0.000000000 dev/null dev=1:3\n"
            "block 0644 0:0 0 0.000000000 dev/sda dev=8:300\n"
            "fifo 0644 0:0 0 0.000000000 run/pipe\n"
            "file 0644 0:0 1 0.000000000 contiguous 0+1@5632\n");
}

TEST(TarWalk, PiecesMayBeCutAnywhere) {
  TarBuilder builder;
  for (int i = 0; i < 20; ++i) {
    builder
        .File("dir/" + std::string(static_cast<size_t>(i) * 13, 'n'),
              std::string(static_cast<size_t>(i) * 211, 'd'))
        .Xattr("user.k", std::string(static_cast<size_t>(i) * 57, 'v'));
    if (i % 2 == 0) builder.Gnu();
    builder.HardLink("link" + std::to_string(i),
                     "dir/" + std::string(static_cast<size_t>(i) * 13, 'n'));
  }
  const std::string tar = builder.Build();
  const std::string whole = DumpOf(tar, tar.size());
  ASSERT_THAT(whole, ::testing::Not(HasSubstr("error")));
  for (const size_t step : {1, 7, 100, 511, 512, 513, 1000, 1024, 5000}) {
    EXPECT_EQ(DumpOf(tar, step), whole) << step;
  }
}

TEST(TarWalk, NamesAreBytes) {
  const std::string nfd = "cafe\xcc\x81";
  const std::string odd = std::string("odd\n\\ \xff\xfe") + "name";
  const std::string longer = std::string(150, 'x') + nfd + "/\xff";
  const std::string tar = TarBuilder()
                              .File(nfd, "")
                              .File(odd, "")
                              .File("short", "")
                              .Pax("path", nfd + "2")
                              .File(longer, "")
                              .File(longer + "g", "")
                              .Gnu()
                              .Symlink("l", longer)
                              .HardLink("h", longer)
                              .Gnu()
                              .Build();
  // Also where libarchive would convert: in a UTF-8 locale.
  const locale_t utf8 = ::newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  ASSERT_NE(utf8, nullptr);
  const locale_t before = ::uselocale(utf8);
  auto index = WalkIn(tar, 1000);
  EXPECT_EQ(::uselocale(before), utf8);
  ::freelocale(utf8);
  ASSERT_TRUE(index) << index.error().message();
  ASSERT_EQ(index->size(), 7u);
  EXPECT_EQ(index->entry(0).path, nfd);
  EXPECT_EQ(index->entry(1).path, odd);
  EXPECT_EQ(index->entry(2).path, nfd + "2");
  EXPECT_EQ(index->entry(3).path, longer);
  EXPECT_EQ(index->entry(4).path, longer + "g");
  EXPECT_EQ(index->entry(5).link_target, longer);
  EXPECT_EQ(index->entry(6).link_target, longer);
}

TEST(TarWalk, AGnuNameWinsOverPax) {
  const std::string tar = TarBuilder()
                              .File(std::string(120, 'g'), "")
                              .Gnu()
                              .Pax("path", "pax")
                              .Build();
  EXPECT_EQ(WalkIn(tar, 4096)->entry(0).path, std::string(120, 'g'));
}

TEST(TarWalk, LargeNumbers) {
  const std::string tar = TarBuilder()
                              .File("pax", "")
                              .Owner(4'294'967'294, 3'000'000)
                              .Mtime(-5)
                              .File("gnu", "")
                              .Gnu()
                              .Owner(4'294'967'294, 3'000'000)
                              .Mtime(-5)
                              .File("fraction", "")
                              .Pax("mtime", "-1.25")
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "file 0644 4294967294:3000000 0 -5.000000000 pax\n"
            "file 0644 4294967294:3000000 0 -5.000000000 gnu\n"
            "file 0644 0:0 0 -2.750000000 fraction\n");
}

TEST(TarWalk, GlobalHeadersAreSkipped) {
  const std::string tar = TarBuilder()
                              .File("global", testing::PaxRecord("uid", "9"))
                              .Type('g')
                              .File("a", "")
                              .File("b", "")
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "file 0644 0:0 0 0.000000000 a\n"
            "file 0644 0:0 0 0.000000000 b\n");
}

TEST(TarWalk, XattrsOfAllDialects) {
  const std::string tar =
      TarBuilder()
          .File("f", "")
          .Xattr("security.capability", {"\1\0\0\2\0=\n\xff", 8})
          .Xattr("user.empty", "")
          .Xattr("user.twice", "first")
          .Xattr("user.twice", "second")
          .Xattr("system.posix_acl_access", {"\2\0\0\0", 4})
          .Pax("LIBARCHIVE.xattr.user.a%20b", "AAEC")
          .Pax("LIBARCHIVE.xattr.user.twice", "AAEC")
          .Pax("SCHILY.acl.access", "user::rw-,group::r--,other::r--")
          .Build();
  EXPECT_EQ(DumpOf(tar),
            "file 0644 0:0 0 0.000000000 f"
            " security.capability=010000020"
            "03d0aff"
            " system.posix_acl_access=02000000"
            " user.a\\x20b=000102 user.empty= user.twice=7365636f6e64\n");
}

TEST(TarWalk, XattrsMayBeAsLargeAsLinuxAllows) {
  const auto index = WalkIn(TarBuilder()
                                .File("f", "")
                                .Xattr("user.x", std::string(65536, 'x'))
                                .Build(),
                            10'000);
  ASSERT_TRUE(index) << index.error().message();
  EXPECT_EQ(index->entry(0).xattrs[0].value.size(), 65536u);
}

TEST(TarWalk, WhiteoutsAreKnownByName) {
  const std::string tar = TarBuilder()
                              .Whiteout("etc/motd")
                              .Whiteout("top")
                              .Opaque("var/lib")
                              .Opaque("")
                              .Dir("etc/.wh.gone/")
                              .Symlink(".wh.link", "x")
                              .Whiteout(".opq")
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "whiteout 0000 0:0 0 0.000000000 etc/motd\n"
            "whiteout 0000 0:0 0 0.000000000 top\n"
            "opaque 0000 0:0 0 0.000000000 var/lib\n"
            "opaque 0000 0:0 0 0.000000000 .\n"
            "whiteout 0000 0:0 0 0.000000000 etc/gone\n"
            "whiteout 0000 0:0 0 0.000000000 link\n"
            "whiteout 0000 0:0 0 0.000000000 .opq\n");
}

TEST(TarWalk, LeftoversOfAufsAreNotShown) {
  const std::string tar = TarBuilder()
                              .Dir(".wh..wh.orph/")
                              .Dir(".wh..wh.plnk/")
                              .File(".wh..wh.plnk/1.2", "data")
                              .Mode(0600)
                              .File(".wh..wh.aufs", "")
                              .File("a/.wh..wh.x", "")
                              .HardLink("first", ".wh..wh.plnk/1.2")
                              .HardLink("second", ".wh..wh.plnk/1.2")
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "file 0600 0:0 4 0.000000000 first 0+4@1536\n"
            "link 0644 0:0 0 0.000000000 second => first\n");
}

TEST(TarWalk, WhiteoutsOfNothingAreRefused) {
  for (const char* name : {".wh.", "a/.wh.", ".wh..", ".wh...", "a/.wh..",
                           ".wh.a/b", ".wh.a/.wh.b"}) {
    const Error error = ErrorOf(TarBuilder().File(name, "").Build());
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << name;
    EXPECT_THAT(error.message(), HasSubstr(name));
  }
}

TEST(TarWalk, WhatIsOutsideTheRootIsRefused) {
  for (const char* name : {"../a", "a/../../b"}) {
    EXPECT_EQ(ErrorOf(TarBuilder().File(name, "").Build()).code(),
              ErrorCode::kCorrupt);
    EXPECT_EQ(ErrorOf(TarBuilder().HardLink("l", name).Build()).code(),
              ErrorCode::kCorrupt);
  }
}

TEST(TarWalk, HostileEntriesAreRefusedByName) {
  using enum ErrorCode;
  const struct {
    TarBuilder tar;
    ErrorCode code;
    const char* message;
  } kCases[] = {
      {TarBuilder().File("f", "").Pax("path", {"a\0b", 3}), kCorrupt, "NUL"},
      {TarBuilder().Symlink("f", "").Pax("linkpath", {"a\0b", 3}), kCorrupt,
       "NUL"},
      {TarBuilder().File("f", "").Pax("mtime", "soon"), kCorrupt, "soon"},
      {TarBuilder().File("f", "").Pax("uid", "-1"), kCorrupt, "uid"},
      {TarBuilder().File("f", "").Owner(0, int64_t{1} << 32), kCorrupt, "gid"},
      {TarBuilder().File("f", "").ClaimSize(-1), kCorrupt, "negative"},
      {TarBuilder().File("f", "").Pax("size", "-1"), kCorrupt, "negative"},
      {TarBuilder().File("f", "").Pax("size", "9223372036854775808"), kCorrupt,
       "size"},
      {TarBuilder().File("f/", "data"), kCorrupt, "slash"},
      {TarBuilder().Dir("d").Pax("size", "512"), kCorrupt, "data"},
      {TarBuilder().File(".", ""), kCorrupt, "root"},
      {TarBuilder().File("", ""), kCorrupt, "root"},
      {TarBuilder().Symlink("s", ""), kCorrupt, "nowhere"},
      {TarBuilder().HardLink("s", ""), kCorrupt, "nowhere"},
      {TarBuilder().Symlink("s", std::string(4096, 't')), kUnsupported, "4095"},
      {TarBuilder().File(std::string(256, 'n'), ""), kUnsupported, "255"},
      {TarBuilder().File("f", "").Xattr("", "v"), kCorrupt, "xattr"},
      {TarBuilder().File("f", "").Xattr(std::string(256, 'x'), "v"), kCorrupt,
       "xattr"},
      {TarBuilder().File("f", "").Xattr("user.x", std::string(65537, 'x')),
       kUnsupported, "user.x"},
      {TarBuilder().CharDevice("f", 4096, 0), kUnsupported, "4096:0"},
      {TarBuilder().BlockDevice("f", 0, 1 << 20), kUnsupported, "0:1048576"},
      {TarBuilder().File("f", "").Type('Q'), kUnsupported, "\"Q\""},
      {TarBuilder()
           .File("f", "")
           .Pax("GNU.sparse.major", "7")
           .Pax("GNU.sparse.minor", "0"),
       kUnsupported, "sparse"},
      {TarBuilder().File("f", "").Pax("SUN.holesdata", " 0 5"), kUnsupported,
       "Solaris"},
  };
  for (const auto& c : kCases) {
    const Error error = ErrorOf(c.tar.Build());
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_THAT(error.message(), HasSubstr(c.message));
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
  }
}

TEST(TarWalk, SparseMapsThatLieAreRefused) {
  const auto sparse = [](const char* map, const char* realsize) {
    return ErrorOf(TarBuilder()
                       .File("f", "0123456789")
                       .Pax("GNU.sparse.name", "s")
                       .Pax("GNU.sparse.map", map)
                       .Pax("GNU.sparse.size", realsize)
                       .Build())
        .code();
  };
  EXPECT_EQ(sparse("0,4,100,6", "200"), ErrorCode::kInternal);  // is right
  EXPECT_EQ(sparse("0,4,100,6", "105"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("0,4,100,5", "200"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("0,4,100,7", "200"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("100,6,0,4", "200"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("0,6,3,4", "200"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("0,4,100,6", "-1"), ErrorCode::kCorrupt);
  EXPECT_EQ(sparse("0,4,x,6", "200"), ErrorCode::kCorrupt);
  EXPECT_EQ(
      sparse("9223372036854775807,9223372036854775807", "9223372036854775807"),
      ErrorCode::kCorrupt);
}

TEST(TarWalk, WhatIsPromisedMustCome) {
  const std::string tar =
      TarBuilder()
          .Dir("d")
          .File("d/" + std::string(200, 'n'), std::string(1000, 'x'))
          .Build(false);
  for (size_t size = 1; size < tar.size(); ++size) {
    auto index = WalkIn(std::string_view(tar).substr(0, size), 1 << 20);
    // Between entries a tar may end; and the last padding may be missing.
    const bool whole = size == 512 || size >= tar.size() - (1024 - 1000);
    EXPECT_EQ(index.has_value(), whole) << size;
    if (!index) {
      EXPECT_EQ(index.error().code(), ErrorCode::kCorrupt);
      EXPECT_THAT(index.error().message(), HasSubstr("truncated"));
    }
  }
  EXPECT_EQ(
      ErrorOf(TarBuilder().File("f", "").ClaimSize(uint64_t{1} << 50).Build())
          .code(),
      ErrorCode::kCorrupt);
}

TEST(TarWalk, EndsAtTheEndMarkerWhateverFollows) {
  const std::string one = TarBuilder().File("a", "").Build();
  const std::string line = "file 0644 0:0 0 0.000000000 a\n";
  EXPECT_EQ(DumpOf(one), line);
  EXPECT_EQ(DumpOf(one + "garbage"), line);
  EXPECT_EQ(DumpOf(one + one), line);
  EXPECT_EQ(DumpOf(TarBuilder().File("a", "").Build(false)), line);
  EXPECT_EQ(DumpOf(""), "");
  EXPECT_EQ(DumpOf(std::string(1024, '\0')), "");
  EXPECT_EQ(DumpOf(std::string(10240, '\0')), "");
}

// As Go's archive/tar and GNU tar, and so Docker and podman.
TEST(TarWalk, SpecialHeadersWithoutAnEntryAreTheEnd) {
  const std::string pax =
      TarBuilder().File("x", "").Pax("mtime", "5").Build(false).substr(0, 1024);
  const std::string gnu = TarBuilder()
                              .File(std::string(101, 'n'), "")
                              .Gnu()
                              .Build(false)
                              .substr(0, 1024);
  const std::string global =
      TarBuilder().File("g", PaxRecord("k", "v")).Type('g').Build(false);
  const std::string zeros(1024, '\0');
  const std::string file = TarBuilder().File("f", "x").Build(false);
  const std::string expected = DumpOf(file + zeros);
  ASSERT_THAT(expected, HasSubstr(" f 0+1@512"));
  for (const std::string& last : {pax, gnu, global, gnu + pax, global + pax}) {
    for (const size_t step : {size_t{100}, size_t{512}, size_t{1} << 20}) {
      EXPECT_EQ(DumpOf(file + last + zeros, step), expected);
      EXPECT_EQ(DumpOf(file + last + zeros + "rubbish", step), expected);
      EXPECT_EQ(DumpOf(file + last + zeros.substr(512), step), expected);
    }
  }
  // Go refuses these there.
  std::string bad_sum = pax;
  bad_sum[0] ^= 1;
  std::string bad_record = pax;
  bad_record[512] = 'x';
  for (const std::string& last :
       {bad_sum + zeros, bad_record + zeros, pax.substr(0, 700),
        pax + std::string(512, '\0') + file, std::string(512, 'x')}) {
    EXPECT_EQ(ErrorOf(file + last).code(), ErrorCode::kCorrupt);
  }
}

TEST(TarWalk, GoesNoFurtherThanASingleBlockOfZerosAndSaysSo) {
  const std::string one = TarBuilder().File("a", "").Build(false);
  const std::string zeros(512, '\0');
  EXPECT_EQ(DumpOf(one + zeros), "file 0644 0:0 0 0.000000000 a\n");
  EXPECT_EQ(DumpOf(one + zeros + "x"), "file 0644 0:0 0 0.000000000 a\n");
  for (const size_t piece : {1, 100, 512, 100'000}) {
    const auto index = WalkIn(one + zeros + one, piece);
    ASSERT_FALSE(index) << piece;
    EXPECT_EQ(index.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(index.error().message(), HasSubstr("byte 512"));
  }
}

TEST(TarWalk, MalformedNumbersAreNamed) {
  const struct {
    const char* name;
    size_t at;
    size_t bytes;
  } kFields[] = {
      {"mode", 100, 8}, {"uid", 108, 8}, {"gid", 116, 8}, {"mtime", 136, 12}};
  const auto with = [](size_t at, size_t bytes, std::string value) {
    std::string tar = TarBuilder().File("a", "").Build();
    value.resize(bytes, '\0');
    tar.replace(at, bytes, value);
    tar.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[i]);
    tar.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return tar;
  };
  for (const auto& f : kFields) {
    for (const char* good : {"", "  7", "7 ", "\t17", "00007"}) {
      EXPECT_NE(DumpOf(with(f.at, f.bytes, good)), "") << f.name << good;
    }
    for (const char* bad : {"x", "7x", "9", "-7", "0x7", " 7y"}) {
      const Error error = ErrorOf(with(f.at, f.bytes, bad));
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << f.name << bad;
      EXPECT_THAT(error.message(), HasSubstr(f.name));
    }
  }
}

TEST(TarWalk, DamagedHeadersAreNamed) {
  std::string tar = TarBuilder().File("a", "x").File("b", "y").Build();
  tar[1024 + 3] = 'z';
  const Error error = ErrorOf(tar);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.message(), HasSubstr("1024"));
  EXPECT_EQ(ErrorOf("this is no tar").code(), ErrorCode::kCorrupt);
  EXPECT_EQ(ErrorOf(testing::RandomBytes(4096, 1)).code(), ErrorCode::kCorrupt);
}

TEST(TarWalk, TooManySpecialHeadersAreRefused) {
  TarBuilder tar;
  for (int i = 0; i < 100; ++i) tar.File("g", "").Type('g');
  EXPECT_EQ(ErrorOf(tar.File("f", "").Build()).code(), ErrorCode::kCorrupt);
  TarBuilder large;
  for (int i = 0; i < 20; ++i) {
    large.File("g", std::string(1 << 20, ' ')).Type('g');
  }
  EXPECT_NE(ErrorOf(large.File("f", "").Build()).code(), ErrorCode::kInternal);
}

TEST(TarWalk, AnIndexOutOfProportionIsRefused) {
  TarBuilder tar;
  for (int i = 0; i < 1000; ++i) tar.File("f" + std::to_string(i), "");
  EXPECT_TRUE(WalkIn(tar.Build(), 4096, 1'000'000));
  EXPECT_EQ(WalkIn(tar.Build(), 4096, 10'000).error().code(),
            ErrorCode::kUnsupported);
  TarBuilder hidden;
  for (int i = 0; i < 1000; ++i) {
    hidden.File(".wh..wh.plnk/" + std::to_string(i), "");
  }
  EXPECT_EQ(WalkIn(hidden.Build(), 4096, 10'000).error().code(),
            ErrorCode::kUnsupported);
}

TEST(TarWalk, HardLinksWithABodyDoNotLoseTheNextEntry) {
  const std::string tar = TarBuilder()
                              .File("a", "body")
                              .HardLink("b", "a")
                              .Pax("size", "4")
                              .Raw("body" + std::string(508, '\0'))
                              .File("c", "c")
                              .Build();
  EXPECT_EQ(DumpOf(tar),
            "file 0644 0:0 4 0.000000000 a 0+4@512\n"
            "link 0644 0:0 0 0.000000000 b => a\n"
            "file 0644 0:0 1 0.000000000 c 0+1@3584\n");
}

// GNU tar writes them; what it packed is what the extents must give back.
TEST(TarWalk, GnuSparseFilesOfEveryForm) {
  testing::TemporaryFolder folder;
  for (const char* form :
       {"--format=gnu", "--format=posix --sparse-version=0.0",
        "--format=posix --sparse-version=0.1",
        "--format=posix --sparse-version=1.0"}) {
    const std::string tar = OutTar(
        folder,
        "rm -f s h t out.tar && truncate -s 3M s && "
        "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
        "23 24 25 26 27 28 29; do printf \"data$i\" | "
        "dd of=s bs=4096 seek=$((i * 20)) conv=notrunc status=none; done && "
        "truncate -s 1M h && echo tail > t && "
        "tar --sparse --mtime=@0 --owner=0 --group=0 " +
            std::string(form) + " -cf out.tar s h t");
    auto index = WalkIn(tar, 10'000);
    ASSERT_TRUE(index) << form << ": " << index.error().message();
    ASSERT_EQ(index->size(), 3u);
    std::string expected(3 << 20, '\0');
    for (size_t i = 0; i < 30; ++i) {
      const std::string data = "data" + std::to_string(i);
      expected.replace(i * 20 * 4096, data.size(), data);
    }
    EXPECT_EQ(index->entry(0).path, "s") << form;
    EXPECT_GT(index->entry(0).extents.size(), 20u) << form;
    EXPECT_EQ(Content(index->entry(0), tar), expected) << form;
    EXPECT_EQ(index->entry(1).size, 1u << 20) << form;
    EXPECT_TRUE(index->entry(1).extents.empty()) << form;
    EXPECT_EQ(Content(index->entry(2), tar), "tail\n") << form;
  }
}

TEST(TarWalk, EveryFormatOfGnuTarIsReadAlike) {
  testing::TemporaryFolder folder;
  std::string first;
  for (const char* format : {"v7", "oldgnu", "gnu", "ustar", "posix"}) {
    const std::string tar = OutTar(
        folder,
        "rm -rf tree out.tar && mkdir -p tree/sub && "
        "echo data > tree/sub/file && ln tree/sub/file tree/sub/second && "
        "ln -s sub/file tree/link && tar --sort=name --mtime=@1600000000 "
        "--owner=7 --group=8 --mode=0640 --numeric-owner -cf out.tar "
        "--format=" +
            std::string(format) + " tree");
    auto index = WalkIn(tar, 777);
    ASSERT_TRUE(index) << format << ": " << index.error().message();
    std::string dump;
    for (size_t i = 0; i < index->size(); ++i) {
      const EntryView e = index->entry(i);
      dump += fmt::format("{} {} {:o} {} {} {} {} {}\n", e.path,
                          static_cast<int>(e.type), e.mode, e.uid, e.gid,
                          e.mtime.seconds, e.link_target, Content(e, tar));
    }
    if (first.empty()) first = dump;
    EXPECT_EQ(dump, first) << format;
  }
  EXPECT_EQ(first,
            "tree 1 640 7 8 1600000000  \n"
            "tree/link 2 777 7 8 1600000000 sub/file \n"
            "tree/sub 1 640 7 8 1600000000  \n"
            "tree/sub/file 0 640 7 8 1600000000  data\n\n"
            "tree/sub/second 3 640 7 8 1600000000 tree/sub/file \n");
}

}  // namespace
}  // namespace imgmount
