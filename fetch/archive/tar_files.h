// SPDX-License-Identifier: Apache-2.0
// TarFiles: the files of a tar archive on disk, read where they lie in it.
//
// An archive that is compressed as a whole, or that comes through a pipe, is
// first unpacked into a file without a name. Immutable once open, and then
// thread-safe.
#ifndef IMGMOUNT_FETCH_ARCHIVE_TAR_FILES_H_
#define IMGMOUNT_FETCH_ARCHIVE_TAR_FILES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "meta/base/file.h"
#include "meta/base/result.h"

namespace imgmount {

class TarFiles {
 public:
  // The place of one file's bytes in the archive.
  struct Run {
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  // "-" is standard input; `scratch` is a folder with room for the unpacked
  // archive.
  static Result<TarFiles> Open(const std::filesystem::path& archive,
                               const std::filesystem::path& scratch);

  // The same of an open file; `name` is for messages.
  static Result<TarFiles> FromFile(UniqueFd archive, std::string name,
                                   const std::filesystem::path& scratch);

  const std::string& name() const { return name_; }  // for messages
  // Follows links within the archive; of two files of a name, the last.
  Result<Run> Find(const std::string& path) const;
  bool Has(const std::string& path) const { return Find(path).has_value(); }
  // Fills `out` from `offset` of the run; short only at its end.
  Result<size_t> Read(const Run& run, uint64_t offset,
                      std::span<std::byte> out) const;
  // A whole small file.
  Result<std::string> ReadText(const std::string& path, size_t limit) const;

 private:
  struct Entry {
    Run run;
    std::string link;  // the path it stands for; empty: a file
  };
  TarFiles() = default;
  Status List();
  bool IsEnd(uint64_t offset) const;

  std::string name_;
  UniqueFd fd_;
  std::map<std::string, Entry> entries_;
};

// A file in `folder` that ends with its descriptor.
Result<UniqueFd> MakeScratchFile(const std::filesystem::path& folder);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_TAR_FILES_H_
