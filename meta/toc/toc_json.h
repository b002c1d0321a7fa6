// SPDX-License-Identifier: Apache-2.0
// A TOC's JSON, read entry by entry as it arrives, in bounded memory.
#ifndef IMGMOUNT_META_TOC_TOC_JSON_H_
#define IMGMOUNT_META_TOC_TOC_JSON_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "meta/base/result.h"
#include "meta/tar/tar_walk.h"

namespace imgmount {

// Between two things that JSON says there are no more bytes than this.
inline constexpr size_t kMaxJsonToken = 1 << 20;
// Nor has an entry more, as the headers of one in a tar.
inline constexpr size_t kMaxTocEntry = 4 << 20;

// One entry as it is written; what is not there is 0 or "".
struct TocEntry {
  std::string name;
  std::string type;
  std::string link_name;
  std::string modtime;
  std::string digest;
  std::string chunk_digest;
  std::string chunk_type;
  int64_t size = 0;
  int64_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t dev_major = 0;
  int64_t dev_minor = 0;
  int64_t offset = 0;
  int64_t inner_offset = 0;
  int64_t end_offset = 0;
  int64_t chunk_offset = 0;
  int64_t chunk_size = 0;
  std::map<std::string, std::string> xattrs;  // values in base64
};

// Calls `add` with each entry; its error ends the parse.
// kCorrupt for what is no JSON, or has another shape than a TOC; kUnsupported
// for a version that is not 1. Keys that are not known are passed over.
Status ParseTocJson(const NextPiece& next,
                    const std::function<Status(const TocEntry&)>& add);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_JSON_H_
