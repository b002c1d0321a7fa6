// SPDX-License-Identifier: Apache-2.0
// libFuzzer: whatever a map file holds, runs of missing pieces lie where they
// were looked for and agree with the count of those that are here.
//
// The header's checksum is made right first, so that the fuzzer gets behind it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "meta/base/xxh3.h"
#include "meta/partial/piece_map.h"

namespace imgmount {
namespace {

void Check(bool right) {
  if (!right) std::abort();
}

void Run(std::string bytes) {
  constexpr size_t kChecksumAt = 32;
  constexpr size_t kHeaderBytes = 40;
  if (bytes.size() >= kHeaderBytes) {
    const uint64_t checksum = XXH3_64bits(bytes.data(), kChecksumAt);
    std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  }
  UniqueFd fd(::memfd_create("map", MFD_CLOEXEC));
  Check(WriteAll(fd.get(), std::as_bytes(std::span(bytes))).has_value());
  const PieceMap map(std::move(fd), "map");

  const auto subject = map.Subject();
  Check(subject.has_value());
  const PieceRun all{bytes.size() / 3, bytes.size() * 2};
  uint64_t missing = 0;
  for (PieceRun left = all; !left.empty();) {
    const auto run = map.FirstMissing(left);
    Check(run && run->first >= left.first && run->end <= left.end);
    Check(run->empty() == (run->first == left.end));
    missing += run->count();
    left.first = run->empty() ? left.end : run->end;
  }
  Check(*map.CountHere(all) == all.count() - missing);
  if (!*subject || (*subject)->blob_bytes > bytes.size() * kPieceBytes) return;
  Check(map.Begin(**subject, 1).has_value());
  Check(*map.Subject() == *subject);
}

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  imgmount::Run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
