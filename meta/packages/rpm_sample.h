// SPDX-License-Identifier: Apache-2.0
// Databases of rpm, made in memory and on disk for tests.
#ifndef IMGMOUNT_META_PACKAGES_RPM_SAMPLE_H_
#define IMGMOUNT_META_PACKAGES_RPM_SAMPLE_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

namespace imgmount::testing {

inline std::string BigEndian(uint32_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) {
    bytes += static_cast<char>(number >> shift & 0xff);
  }
  return bytes;
}

// A header with the tags that name a package; an epoch unless it is < 0.
inline std::string RpmHeader(const std::string& name,
                             const std::string& version,
                             const std::string& release,
                             const std::string& arch, int epoch = -1) {
  std::string entries;
  std::string data;
  uint32_t count = 0;
  const auto add = [&](uint32_t tag, uint32_t type, const std::string& bytes) {
    entries += BigEndian(tag) + BigEndian(type) +
               BigEndian(static_cast<uint32_t>(data.size())) + BigEndian(1);
    data += bytes;
    ++count;
  };
  if (epoch >= 0) add(1003, 4, BigEndian(static_cast<uint32_t>(epoch)));
  add(1000, 6, name + '\0');
  add(1001, 6, version + '\0');
  add(1002, 6, release + '\0');
  add(1004, 9, std::string("a summary") + '\0');
  add(1022, 6, arch + '\0');
  return BigEndian(count) + BigEndian(static_cast<uint32_t>(data.size())) +
         entries + data;
}

// As rpm leaves it: in write-ahead mode.
inline void WriteRpmDatabase(const std::filesystem::path& path,
                             const std::vector<std::string>& headers) {
  sqlite3* database = nullptr;
  ASSERT_EQ(::sqlite3_open(path.c_str(), &database), SQLITE_OK);
  const char* kMake =
      "PRAGMA journal_mode = WAL;"
      "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT,"
      " blob BLOB NOT NULL)";
  ASSERT_EQ(::sqlite3_exec(database, kMake, nullptr, nullptr, nullptr),
            SQLITE_OK);
  for (const std::string& header : headers) {
    sqlite3_stmt* insert = nullptr;
    ::sqlite3_prepare_v2(database, "INSERT INTO Packages (blob) VALUES (?)", -1,
                         &insert, nullptr);
    ::sqlite3_bind_blob(insert, 1, header.data(),
                        static_cast<int>(header.size()), SQLITE_STATIC);
    ASSERT_EQ(::sqlite3_step(insert), SQLITE_DONE);
    ::sqlite3_finalize(insert);
  }
  ::sqlite3_close(database);
}

}  // namespace imgmount::testing

#endif  // IMGMOUNT_META_PACKAGES_RPM_SAMPLE_H_
