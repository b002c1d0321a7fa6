// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_json.h"

#include <fmt/format.h>
#include <rapidjson/reader.h>

#include <string_view>
#include <utility>

#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr int kMaxDepth = 100;  // as of all JSON here

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, "table of contents: " + std::move(what));
}

// The keys of an entry: google/crfs' of stargz, and what was added since.
constexpr std::pair<std::string_view, std::string TocEntry::*> kTexts[] = {
    {"name", &TocEntry::name},
    {"type", &TocEntry::type},
    {"linkName", &TocEntry::link_name},
    {"modtime", &TocEntry::modtime},
    {"digest", &TocEntry::digest},
    {"chunkDigest", &TocEntry::chunk_digest},
    {"chunkType", &TocEntry::chunk_type},
};
constexpr std::pair<std::string_view, int64_t TocEntry::*> kNumbers[] = {
    {"size", &TocEntry::size},
    {"mode", &TocEntry::mode},
    {"uid", &TocEntry::uid},
    {"gid", &TocEntry::gid},
    {"devMajor", &TocEntry::dev_major},
    {"devMinor", &TocEntry::dev_minor},
    {"offset", &TocEntry::offset},
    {"innerOffset", &TocEntry::inner_offset},
    {"endOffset", &TocEntry::end_offset},
    {"chunkOffset", &TocEntry::chunk_offset},
    {"chunkSize", &TocEntry::chunk_size},
};

template <typename Fields>
auto Find(const Fields& fields, std::string_view key)
    -> decltype(fields[0].second) {
  for (const auto& [name, member] : fields) {
    if (name == key) return member;
  }
  return nullptr;
}

// RapidJSON's input: a NUL where it ends.
class Input {
 public:
  using Ch = char;

  explicit Input(const NextPiece& next) : next_(next) {}

  char Peek() {
    if (at_ == end_ && !Refill()) return '\0';
    return *at_;
  }
  char Take() {
    const char c = Peek();
    if (at_ != end_) ++at_;
    return c;
  }
  size_t Tell() const { return before_ + static_cast<size_t>(at_ - start_); }
  bool AtEnd() { return at_ == end_ && !Refill() && !too_long_; }

  // Something was said by the bytes up to here.
  void Mark() { mark_ = Tell(); }
  bool too_long() const { return too_long_; }

  // For parsing in place, which nobody does.
  char* PutBegin() { return nullptr; }
  void Put(char) {}
  void Flush() {}
  size_t PutEnd(char*) { return 0; }

 private:
  bool Refill() {
    if (ended_) return false;
    too_long_ = Tell() - mark_ > kMaxJsonToken;
    before_ = Tell();
    const auto piece = too_long_ ? std::span<const std::byte>() : next_();
    start_ = at_ = reinterpret_cast<const char*>(piece.data());
    end_ = at_ + piece.size();
    ended_ = piece.empty();
    return !ended_;
  }

  const NextPiece& next_;
  const char* start_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  size_t before_ = 0;  // bytes before start_
  size_t mark_ = 0;
  bool ended_ = false;
  bool too_long_ = false;
};

// RapidJSON's events, put together to entries. Each returns whether to go on.
class Events {
 public:
  Events(Input& input, const std::function<Status(const TocEntry&)>& add)
      : input_(input), add_(add) {}

  // Why the parse was ended, if it was ended here.
  const Status& status() const { return status_; }
  int64_t version() const { return version_; }

  bool Null() {  // as if the key were not there, as in Go
    input_.Mark();
    if (place_ == Place::kXattrs) entry_.xattrs[xattr_].clear();
    return place_ != Place::kEntries || Wrong("an entry that is null");
  }
  bool Bool(bool) { return Other(); }
  bool Double(double) { return Other(); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return Other(); }
  bool Int(int value) { return Number(value); }
  bool Uint(unsigned value) { return Number(value); }
  bool Int64(int64_t value) { return Number(value); }
  bool Uint64(uint64_t value) {
    return value <= INT64_MAX ? Number(static_cast<int64_t>(value)) : Other();
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    input_.Mark();
    if (place_ == Place::kEntry && text_ != nullptr) {
      (entry_.*text_).assign(text, size);
      return true;
    }
    if (place_ == Place::kXattrs) {
      entry_.xattrs[xattr_].assign(text, size);
      return true;
    }
    return Other();
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    input_.Mark();
    const std::string_view key(text, size);
    if (place_ == Place::kTop) {
      at_version_ = key == "version";
      at_entries_ = key == "entries";
    } else if (place_ == Place::kEntry) {
      text_ = Find(kTexts, key);
      number_ = Find(kNumbers, key);
      at_xattrs_ = key == "xattrs";
    } else if (place_ == Place::kXattrs) {
      xattr_ = key;
      return CheckEntrySize();
    }
    return true;
  }
  bool StartObject() {
    input_.Mark();
    if (place_ == Place::kEntry && at_xattrs_) {
      place_ = Place::kXattrs;
    } else if (place_ == Place::kEntries) {
      place_ = Place::kEntry;
      entry_ = {};
      entry_start_ = input_.Tell();
    } else if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else {
      return Enter();
    }
    return true;
  }
  bool EndObject(rapidjson::SizeType) {
    input_.Mark();
    if (place_ == Place::kXattrs) {
      place_ = Place::kEntry;
    } else if (place_ == Place::kEntry) {
      place_ = Place::kEntries;
      status_ = add_(entry_);
    } else if (place_ == Place::kTop) {
      place_ = Place::kStart;
    } else {
      Leave();
    }
    return status_.has_value();
  }
  bool StartArray() {
    input_.Mark();
    if (place_ != Place::kTop || !at_entries_) return Enter();
    if (had_entries_) return Wrong("entries twice");
    had_entries_ = true;
    place_ = Place::kEntries;
    return true;
  }
  bool EndArray(rapidjson::SizeType) {
    input_.Mark();
    if (place_ == Place::kEntries) {
      place_ = Place::kTop;
    } else {
      Leave();
    }
    return true;
  }

 private:
  enum class Place {
    kStart,
    kTop,
    kEntries,
    kEntry,
    kXattrs,
    kUnknown,  // in something that is passed over
  };

  bool Number(int64_t value) {
    input_.Mark();
    if (place_ == Place::kTop && at_version_) {
      version_ = value;
      return true;
    }
    if (place_ == Place::kEntry && number_ != nullptr) {
      entry_.*number_ = value;
      return true;
    }
    return Other();
  }
  // A value that is none of those that are looked for here.
  bool Other() {
    input_.Mark();
    return MayPass() || Wrong("a value of the wrong kind");
  }
  // An object or array likewise.
  bool Enter() {
    if (!MayPass()) return Wrong("a value of the wrong kind");
    if (place_ != Place::kUnknown) {
      passing_from_ = place_;
      place_ = Place::kUnknown;
    }
    return ++depth_ < kMaxDepth || Wrong("nested too deep");
  }
  void Leave() {
    if (--depth_ == 0) place_ = passing_from_;
  }
  bool MayPass() const {
    switch (place_) {
      case Place::kTop:
        return !at_version_ && !at_entries_;
      case Place::kEntry:
        return text_ == nullptr && number_ == nullptr && !at_xattrs_;
      case Place::kUnknown:
        return true;
      default:
        return false;
    }
  }
  // Xattrs are all that an entry can have any number of.
  bool CheckEntrySize() {
    return input_.Tell() - entry_start_ <= kMaxTocEntry ||
           Wrong("an entry of more than 4 MiB");
  }
  bool Wrong(const char* what) {
    std::string where;
    if (!entry_.name.empty()) where = Quoted(entry_.name) + ": ";
    status_ = Corrupt(where + what);
    return false;
  }

  Input& input_;
  const std::function<Status(const TocEntry&)>& add_;
  Status status_;
  Place place_ = Place::kStart;
  Place passing_from_ = Place::kStart;
  int depth_ = 0;  // of what is passed over
  int64_t version_ = 0;
  bool had_entries_ = false;
  TocEntry entry_;
  size_t entry_start_ = 0;  // in the input
  // The last key.
  bool at_version_ = false;
  bool at_entries_ = false;
  bool at_xattrs_ = false;
  std::string TocEntry::*text_ = nullptr;
  int64_t TocEntry::*number_ = nullptr;
  std::string xattr_;
};

}  // namespace

Status ParseTocJson(const NextPiece& next,
                    const std::function<Status(const TocEntry&)>& add) {
  using namespace rapidjson;
  Input input(next);
  Events events(input, add);
  Reader reader;
  const ParseResult parsed =
      reader.Parse<kParseIterativeFlag | kParseValidateEncodingFlag>(input,
                                                                     events);
  IMGMOUNT_CHECK(events.status());
  if (input.too_long()) {
    return Corrupt(fmt::format("a text of more than {} bytes", kMaxJsonToken));
  }
  if (parsed.IsError()) {
    return Corrupt(fmt::format("not valid JSON at byte {}", parsed.Offset()));
  }
  if (!input.AtEnd()) return Corrupt("goes on after its end");
  if (events.version() != 1) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("table of contents: version {}, expected 1",
                            events.version()));
  }
  return {};
}

}  // namespace imgmount
