// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/rpm_database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace imgmount {
namespace {

// rpmtag.h and the types of its values.
constexpr uint32_t kName = 1000;
constexpr uint32_t kVersion = 1001;
constexpr uint32_t kRelease = 1002;
constexpr uint32_t kEpoch = 1003;
constexpr uint32_t kArch = 1022;
constexpr uint32_t kInt32 = 4;
constexpr uint32_t kString = 6;
constexpr size_t kEntryBytes = 16;

constexpr int kMaxHeaderBytes = 64 << 20;  // of packages of 100,000 files: 20

Failure Damaged(std::string_view what) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the rpm database is damaged: {}", what));
}

// Four bytes, big-endian; what is not there is 0.
uint32_t Number(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = at; i < at + 4; ++i) {
    number = number << 8 |
             (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
  }
  return number;
}

struct CloseDatabase {
  void operator()(sqlite3* database) const { ::sqlite3_close(database); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const {
    ::sqlite3_finalize(statement);
  }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

Result<Statement> Prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* prepared = nullptr;
  const int status =
      ::sqlite3_prepare_v2(database, sql, -1, &prepared, nullptr);
  Statement statement(prepared);
  if (status != SQLITE_OK) return Damaged(::sqlite3_errmsg(database));
  return statement;
}

// Whether there is a next row.
Result<bool> Step(sqlite3* database, const Statement& statement) {
  const int status = ::sqlite3_step(statement.get());
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  return Damaged(::sqlite3_errmsg(database));
}

// The file is the image's: no code of its schema is trusted or run. Functions,
// views and triggers are turned off where SQLite has a switch for it; virtual
// tables (which have no page) and generated columns are looked for.
Status CheckSchema(sqlite3* database) {
  for (const auto& [option, value] :
       {std::pair(SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        std::pair(SQLITE_DBCONFIG_ENABLE_VIEW, 0),
        std::pair(SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
        std::pair(SQLITE_DBCONFIG_DEFENSIVE, 1)}) {
    ::sqlite3_db_config(database, option, value, nullptr);
  }
  ::sqlite3_limit(database, SQLITE_LIMIT_LENGTH, kMaxHeaderBytes);
  IMGMOUNT_TRY(const Statement table,
               Prepare(database,
                       "SELECT 1 FROM sqlite_master WHERE type = 'table'"
                       " AND name = 'Packages' AND rootpage > 0"));
  IMGMOUNT_TRY(const bool has_table, Step(database, table));
  if (!has_table) return Damaged("no table Packages");
  constexpr int kHidden = 6;  // 0: an ordinary column
  IMGMOUNT_TRY(const Statement columns,
               Prepare(database, "PRAGMA table_xinfo(Packages)"));
  while (true) {
    IMGMOUNT_TRY(const bool has_column, Step(database, columns));
    if (!has_column) return {};
    if (::sqlite3_column_int(columns.get(), kHidden) != 0) {
      return Damaged("a column of Packages is computed");
    }
  }
}

}  // namespace

Result<std::optional<Package>> ParseRpmHeader(std::string_view blob) {
  constexpr size_t kPrefix = 8;  // how many entries, how many bytes of data
  if (blob.size() < kPrefix) return Damaged("a header is too short");
  const uint64_t entries = Number(blob, 0);
  const uint64_t data_bytes = Number(blob, 4);
  const uint64_t data_at = kPrefix + entries * kEntryBytes;
  if (data_at + data_bytes > blob.size()) {
    return Damaged("a header is cut off");
  }
  const std::string_view data = blob.substr(data_at, data_bytes);
  Package package{"rpm", "", "", ""};
  std::string release;
  std::optional<uint32_t> epoch;
  for (uint64_t i = 0; i < entries; ++i) {
    const size_t at = kPrefix + i * kEntryBytes;
    const uint32_t tag = Number(blob, at);
    const uint32_t type = Number(blob, at + 4);
    const uint32_t offset = Number(blob, at + 8);
    if (tag == kEpoch && type == kInt32) {
      if (offset + uint64_t{4} > data.size()) return Damaged("an epoch");
      epoch = Number(data, offset);
    }
    std::string* const text = tag == kName      ? &package.name
                              : tag == kVersion ? &package.version
                              : tag == kRelease ? &release
                              : tag == kArch    ? &package.architecture
                                                : nullptr;
    if (text == nullptr || type != kString) continue;
    const size_t end =
        offset < data.size() ? data.find('\0', offset) : std::string_view::npos;
    if (end == std::string_view::npos) return Damaged("a string has no end");
    *text = data.substr(offset, end - offset);
  }
  if (package.name.empty()) return Damaged("a package has no name");
  if (package.name == "gpg-pubkey") return std::optional<Package>();
  if (!release.empty()) package.version += '-' + release;
  if (epoch) package.version = fmt::format("{}:{}", *epoch, package.version);
  return std::optional(std::move(package));
}

Result<std::vector<Package>> ReadRpmDatabase(
    const std::filesystem::path& path) {
  sqlite3* opened = nullptr;
  const int status =
      ::sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
  const std::unique_ptr<sqlite3, CloseDatabase> database(opened);
  if (status != SQLITE_OK) return Damaged(::sqlite3_errstr(status));
  IMGMOUNT_CHECK(CheckSchema(opened));
  IMGMOUNT_TRY(const Statement rows,
               Prepare(opened, "SELECT blob FROM Packages"));
  std::vector<Package> packages;
  while (true) {
    IMGMOUNT_TRY(const bool has_row, Step(opened, rows));
    if (!has_row) return packages;
    const auto* bytes =
        static_cast<const char*>(::sqlite3_column_blob(rows.get(), 0));
    const int size = ::sqlite3_column_bytes(rows.get(), 0);
    IMGMOUNT_TRY(auto package, ParseRpmHeader(std::string_view(
                                   bytes, static_cast<size_t>(size))));
    if (package) packages.push_back(*std::move(package));
  }
}

}  // namespace imgmount
