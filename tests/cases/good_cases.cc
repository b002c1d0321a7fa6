// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "tests/cases/cases.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

using Tar = TarBuilder;

const std::string kEnd(1024, '\0');

std::string SparsePax10() {
  const std::string map = Padded("2\n0\n5\n4096\n4\n");
  return Tar()
      .File("GNUSparseFile.0/s", map + "first" + "last")
      .Pax("GNU.sparse.major", "1")
      .Pax("GNU.sparse.minor", "0")
      .Pax("GNU.sparse.name", "s")
      .Pax("GNU.sparse.realsize", "4100")
      .Build();
}

std::string SparsePax01() {
  return Tar()
      .File("GNUSparseFile.0/s", "firstlast")
      .Pax("GNU.sparse.size", "4100")
      .Pax("GNU.sparse.numblocks", "2")
      .Pax("GNU.sparse.map", "0,5,4096,4")
      .Pax("GNU.sparse.name", "s")
      .Build();
}

std::vector<Case> OneLayer() {
  std::vector<Case> cases;
  const auto add = [&](std::string name, std::string tar) {
    cases.push_back({std::move(name), {std::move(tar)}});
  };
  add("empty-blob", "");
  add("zeros-only", std::string(10240, '\0'));
  add("no-end-marker", Tar().File("f", "x").Build(false));
  add("one-block-of-zeros",
      Tar().File("f", "x").Build(false) + std::string(512, '\0'));
  add("bytes-after-the-end", Tar().File("f", "x").Build() + "anything at all");
  add("no-padding-at-the-end",
      Tar().File("f", "x").Build(false).substr(0, 513));

  add("every-type", Tar()
                        .Dir("d/")
                        .Mode(01777)
                        .File("d/file", "content")
                        .Mode(04755)
                        .Owner(1, 2)
                        .Mtime(1'600'000'000)
                        .File("d/empty", "")
                        .Symlink("d/symlink", "../d/file")
                        .HardLink("d/link", "d/file")
                        .CharDevice("d/null", 1, 3)
                        .BlockDevice("d/disk", 259, 1'000'000)
                        .Fifo("d/fifo")
                        .Build());
  add("v7",
      RawHeader{.name = "d/", .type = '\0', .mode = "0000755", .magic = {}}
              .Block() +
          RawHeader{
              .name = "d/f", .type = '\0', .size = "00000000001", .magic = {}}
              .Block() +
          Padded("x") +
          RawHeader{.name = "d/l", .type = '1', .link = "d/f", .magic = {}}
              .Block() +
          kEnd);
  add("old-gnu-long-names",
      Tar()
          .Dir(std::string(150, 'd'))
          .Gnu()
          .Symlink(std::string(150, 'd') + "/" + std::string(120, 's'),
                   std::string(300, 't'))
          .Gnu()
          .Build());
  add("pax-long-names",
      Tar()
          .Dir(std::string(150, 'd'))
          .Symlink(std::string(150, 'd') + "/" + std::string(120, 's'),
                   std::string(300, 't'))
          .Build());
  add("pax-global-headers-are-skipped",
      Tar()
          .Raw(Tar()
                   .File("g", PaxRecord("path", "x") + PaxRecord("uid", "9"))
                   .Type('g')
                   .Build(false))
          .File("f", "x")
          .Build());
  add("a-volume-label", RawHeader{.name = "label", .type = 'V'}.Block() +
                            Tar().File("f", "x").Build());
  add("names-of-raw-bytes", Tar()
                                .File("caf\xe9", "latin1")
                                .File("cafe\xcc\x81", "nfd")
                                .File("caf\xc3\xa9", "nfc")
                                .File("new\nline", "")
                                .File("back\\slash", "")
                                .File("\xff\x01\x7f", "")
                                .File(" ", "")
                                .File("...", "")
                                .Build());
  add("names-are-normalised", Tar()
                                  .Dir("./")
                                  .Mode(0700)
                                  .File("./a", "1")
                                  .File("/b", "2")
                                  .File("c//d", "3")
                                  .File("e/../f", "4")
                                  .File("/../../g", "5")
                                  .Dir("h///")
                                  .Build());
  add("numbers-beyond-octal", RawHeader{.uid = Base256(4'000'000'000, 8),
                                        .gid = Base256(3'000'000'000, 8),
                                        .mtime = Base256(-86'400, 12)}
                                      .Block() +
                                  Tar()
                                      .File("g", "")
                                      .Pax("uid", "4000000001")
                                      .Pax("gid", "3000000001")
                                      .Pax("mtime", "-1.25")
                                      .File("h", "")
                                      .Pax("mtime", "1600000000.123456789987")
                                      .File("i", "")
                                      .Pax("mtime", "253402300800")
                                      .Build());
  add("modes-with-type-bits", RawHeader{.mode = "0107755"}.Block() + kEnd);
  add("xattrs",
      Tar()
          .File("f", "")
          .Xattr("security.capability",
                 {"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20})
          .Xattr("user.empty", "")
          .Xattr("user.nul", {"a\0b\n", 4})
          .File("g", "")
          .Pax("LIBARCHIVE.xattr.user.k", "djE=")
          .Build());
  add("sparse-pax-1.0", SparsePax10());
  add("sparse-pax-0.1", SparsePax01());
  add("sparse-8-exbibytes",
      Tar()
          .File("s", "ab")
          .Pax("GNU.sparse.size", "9223372036854775807")
          .Pax("GNU.sparse.map", "0,1,9223372036854775806,1")
          .Pax("GNU.sparse.name", "s")
          .Build());
  add("hard-link-before-its-target",
      Tar().HardLink("l", "m").HardLink("m", "f").File("f", "x").Build());
  add("hard-link-to-a-symlink",
      Tar().Symlink("s", "x").HardLink("l", "s").Build());
  add("hard-link-with-a-body", Tar()
                                   .File("f", "body")
                                   .HardLink("l", "f")
                                   .Pax("size", "4")
                                   .Raw(Padded("body"))
                                   .File("g", "")
                                   .Build());
  add("a-later-entry-wins",
      Tar().File("f", "1").Dir("d").File("f", "22").File("d", "3").Build());
  add("entries-through-a-symlink", Tar()
                                       .Symlink("l", "/made/here")
                                       .File("l/f", "x")
                                       .Symlink("out", "../../..")
                                       .File("out/g", "y")
                                       .Build());
  add("parents-that-nobody-lists", Tar().File("a/b/c", "x").Build());
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "d/";
  add("a-hundred-directories-deep", Tar().File(deep + "f", "x").Build());
  add("aufs-leftovers", Tar()
                            .Dir(".wh..wh.plnk/")
                            .File(".wh..wh.plnk/1.2", "data")
                            .File(".wh..wh.aufs", "")
                            .HardLink("f", ".wh..wh.plnk/1.2")
                            .Build());

  const std::string tar = Tar().File("f", "x").File("g", "yy").Build();
  const std::string skippable =
      std::string("\x50\x2a\x4d\x18\x03\0\0\0", 8) + "abc";
  add("gzip-of-empty-members", Gzip("") + Gzip(tar.substr(0, 700)) + Gzip("") +
                                   Gzip(tar.substr(700)) + Gzip(""));
  add("gzip-with-zeros-after-it", Gzip(tar) + std::string(100, '\0'));
  add("zstd-with-skippable-frames", skippable + Zstd(tar.substr(0, 700)) +
                                        skippable + Zstd("") +
                                        Zstd(tar.substr(700)) + skippable);
  add("bzip2-of-two-streams",
      Bzip2(tar.substr(0, 700)) + Bzip2(tar.substr(700)));
  add("xz-of-two-streams",
      Xz(tar.substr(0, 700)) + std::string(8, '\0') + Xz(tar.substr(700)));
  return cases;
}

std::vector<Case> SeveralLayers() {
  const std::string base = Tar()
                               .Dir("d")
                               .Mode(0700)
                               .Mtime(7)
                               .File("d/f", "lower")
                               .File("d/g", "lower")
                               .Dir("d/e")
                               .File("d/e/h", "lower")
                               .File("top", "lower")
                               .Symlink("link", "d")
                               .Build();
  return {
      {"same-layer-twice", {base, base}},
      {"empty-layers-between", {"", base, std::string(1024, '\0'), Gzip("")}},
      {"whiteout-of-a-file", {base, Tar().Whiteout("d/f").Build()}},
      {"whiteout-of-a-directory", {base, Tar().Whiteout("d").Build()}},
      {"whiteout-of-what-is-not-there",
       {base, Tar().Whiteout("no/such").Build()}},
      {"whiteout-after-its-name",
       {base, Tar().File("d/f", "upper").Whiteout("d/f").Build()}},
      {"whiteout-of-a-directory-that-comes-again",
       {base, Tar().Whiteout("d").Dir("d").File("d/new", "").Build()}},
      {"whiteout-that-is-a-directory", {base, Tar().Dir(".wh.d/").Build()}},
      {"whiteout-under-a-symlink", {base, Tar().Whiteout("link/f").Build()}},
      {"opaque-directory",
       {base, Tar().Dir("d").File("d/new", "").Opaque("d").Build()}},
      {"opaque-directory-that-is-not-listed",
       {base, Tar().Opaque("d").Build()}},
      {"opaque-root", {base, Tar().File("new", "").Opaque("").Build()}},
      {"opaque-in-the-lowest-layer",
       {Tar().Opaque("d").File("d/f", "").Build()}},
      {"directory-over-directory",
       {base, Tar().Dir("d").Mode(0711).Owner(5, 6).File("d/new", "").Build()}},
      {"file-over-directory-over-it",
       {base, Tar().File("d", "now a file").Build(), Tar().Dir("d").Build()}},
      {"directory-over-symlink", {base, Tar().File("link/f", "").Build()}},
      {"directory-over-file", {base, Tar().File("top/f", "").Build()}},
      {"hard-link-to-a-lower-file", {base, Tar().HardLink("l", "d/f").Build()}},
      {"hard-link-and-whiteout-are-a-rename",
       {base, Tar().Whiteout("d/f").HardLink("moved", "d/f").Build()}},
      {"hard-link-whose-target-is-replaced-above",
       {base, Tar().HardLink("l", "d/f").Build(),
        Tar().File("d/f", "upper").Build()}},
      {"hard-link-through-a-symlink",
       {base, Tar().HardLink("l", "link/f").Build()}},
  };
}

}  // namespace

std::vector<Case> GoodCases() {
  std::vector<Case> cases = OneLayer();
  for (Case& c : SeveralLayers()) cases.push_back(std::move(c));
  return cases;
}

}  // namespace imgmount::testing
