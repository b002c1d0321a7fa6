// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as rpm's SQLite database. SQLite is fuzzed by others;
// this is about what we ask of it: a schema that computes is never run.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "meta/packages/rpm_database.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path =
      std::filesystem::temp_directory_path() /
      ("rpm_database_fuzz." + std::to_string(::getpid()));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data),
             static_cast<std::streamsize>(size));
  const auto packages = imgmount::ReadRpmDatabase(path);
  if (!packages && packages.error().code() != imgmount::ErrorCode::kCorrupt) {
    std::abort();
  }
  for (const char* beside : {"", "-wal", "-shm", "-journal"}) {
    std::filesystem::remove(path + beside);
  }
  return 0;
}
