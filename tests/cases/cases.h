// SPDX-License-Identifier: Apache-2.0
// Named images: what a layer can hold, and every way to be wrong.
//
// Each is a handful of layers as published, made here from scratch, the same
// every time. cases_test.cc holds them against tests/golden; the fuzzers start
// from their tars.
#ifndef IMGMOUNT_TESTS_CASES_CASES_H_
#define IMGMOUNT_TESTS_CASES_CASES_H_

#include <string>
#include <string_view>
#include <vector>

namespace imgmount::testing {

struct Case {
  std::string name;                 // "hard-link-before-its-target"
  std::vector<std::string> layers;  // bottom first, compressed or not
};

// Images that must be shown: tests/golden/dumps/NAME.txt says how.
std::vector<Case> GoodCases();
// Images to refuse: tests/golden/should-fail/WHY.txt says with what error.
std::vector<Case> HostileCases();

// One header block whose fields are what a test wants, its checksum right.
struct RawHeader {
  std::string name = "f";
  char type = '0';
  std::string mode = "0000644";
  std::string uid = "0000000";
  std::string gid = "0000000";
  std::string size = "00000000000";
  std::string mtime = "00000000000";
  std::string link = {};
  std::string magic = {"ustar\00000", 8};
  std::string major = "0000000";
  std::string minor = "0000000";

  std::string Block() const;
};
// A number as GNU tar writes large and negative ones.
std::string Base256(__int128 value, size_t bytes);
// Zeros up to a whole block.
std::string Padded(std::string data);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_CASES_CASES_H_
