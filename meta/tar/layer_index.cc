// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/layer_index.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"
#include "meta/base/wire.h"
#include "meta/base/xxh3.h"
#include "meta/tar/entry_path.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr char kMagic[8] = {'i', 'm', 'g', 'm', 'L', 'I', 'D', 'X'};
constexpr uint32_t kVersion = 2;
constexpr int kLevel = 3;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();
// An index may unpack to this much, and to 64 times its file beyond.
constexpr uint64_t kFreeBytes = 512 << 20;
constexpr uint64_t kMaxRatio = 64;
constexpr size_t kMaxFileBytes = size_t{4} << 30;

// The file: Header, then one zstd frame of Counts, records, attributes,
// extents, xattr sets (a count, then name length, value length, name, value
// each), bytes.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t reserved;
  uint64_t checksum;  // XXH3-64 of what follows the header
};

struct Counts {
  uint64_t records;
  uint64_t attributes;
  uint64_t extents;
  uint64_t xattr_sets;
  uint64_t bytes;
};

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, "damaged layer index: " + std::string(what));
}

class Compressor {
 public:
  Compressor() : context_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
  }

  void Append(const void* data, size_t size,
              ZSTD_EndDirective directive = ZSTD_e_continue) {
    ZSTD_inBuffer in = {data, size, 0};
    size_t left;
    do {
      char buffer[64 << 10];
      ZSTD_outBuffer out = {buffer, sizeof buffer, 0};
      left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      out_.append(buffer, out.pos);
    } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
  }
  template <typename T>
  void AppendArray(const std::vector<T>& values) {
    static_assert(std::has_unique_object_representations_v<T>);
    Append(values.data(), values.size() * sizeof(T));
  }
  std::string Finish() {
    Append(nullptr, 0, ZSTD_e_end);
    return std::move(out_);
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context_;
  std::string out_;
};

// Unpacks a frame step by step, so that a count which promises more than there
// is costs no memory.
class Decompressor {
 public:
  explicit Decompressor(std::span<const std::byte> frame)
      : context_(ZSTD_createDCtx()),
        in_{frame.data(), frame.size(), 0},
        budget_(kFreeBytes + kMaxRatio * frame.size()) {}

  bool Read(void* to, size_t size) {
    if (size > budget_) return false;
    budget_ -= size;
    ZSTD_outBuffer out = {to, size, 0};
    while (out.pos < out.size) {
      const size_t before = in_.pos + out.pos;
      last_ = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(last_) != 0) return false;
      if (in_.pos + out.pos == before) return false;  // no more input
    }
    return true;
  }
  // Appends `count` elements to a vector or string.
  template <typename Container>
  bool ReadArray(Container& values, uint64_t count) {
    constexpr uint64_t kStep = (1 << 20) / sizeof values[0];
    while (count > 0) {
      const uint64_t step = std::min(count, kStep);
      const size_t at = values.size();
      values.resize(at + step);
      if (!Read(&values[at], step * sizeof values[0])) return false;
      count -= step;
    }
    return true;
  }
  // Nothing is left, neither of the frame nor after it.
  bool AtEnd() {
    char extra;
    ZSTD_outBuffer out = {&extra, 1, 0};
    if (last_ != 0) last_ = ZSTD_decompressStream(context_.get(), &out, &in_);
    return last_ == 0 && out.pos == 0 && in_.pos == in_.size;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  ZSTD_inBuffer in_;
  uint64_t budget_;
  size_t last_ = 1;  // what zstd said last; 0: the frame is complete
};

bool Ascending(const std::vector<Xattr>& xattrs) {
  return std::adjacent_find(xattrs.begin(), xattrs.end(),
                            [](const Xattr& a, const Xattr& b) {
                              return a.name >= b.name;
                            }) == xattrs.end();
}

// Ascending, disjoint, within the file, and physically somewhere.
bool FitFile(std::span<const Extent> extents, uint64_t size) {
  uint64_t end = 0;
  for (const Extent& e : extents) {
    if (e.length == 0 || e.logical < end || e.logical > size ||
        e.length > size - e.logical || e.physical > kMaxSize ||
        e.length > kMaxSize - e.physical) {
      return false;
    }
    end = e.logical + e.length;
  }
  return true;
}

}  // namespace

uint64_t LayerIndex::memory_bytes() const {
  // While a vector moves to where it has room to grow, it is there twice.
  return 2 * (records_.size() * sizeof(Record) + bytes_.size() +
              extents_.size() * sizeof(Extent)) +
         attributes_.size() * (2 * sizeof(Attributes) + 64) +
         3 * xattr_bytes_;  // the tree's copy moves as well
}

uint32_t LayerIndex::InternXattrs(const std::vector<Xattr>& xattrs) {
  if (xattrs.empty()) return 0;
  uint64_t hash = 0;
  uint64_t bytes = 128;  // the set itself, about
  for (const Xattr& x : xattrs) {
    hash = XXH3_64bits_withSeed(x.name.data(), x.name.size(), hash);
    hash = XXH3_64bits_withSeed(x.value.data(), x.value.size(), hash);
    bytes += sizeof x + x.name.size() + x.value.size();
  }
  const auto number = static_cast<uint32_t>(xattr_sets_.size());
  const auto [it, is_new] = xattr_set_numbers_.try_emplace(hash, number);
  if (!is_new && xattr_sets_[it->second] == xattrs) return it->second;
  xattr_sets_.push_back(xattrs);
  xattr_bytes_ += bytes;
  return number;
}

Status LayerIndex::Add(const LayerEntry& entry) {
  constexpr size_t kMax32 = std::numeric_limits<uint32_t>::max();
  const size_t text = entry.path.size() + entry.link_target.size();
  if (records_.size() >= kMax32 - 1 || text > kMax32 - bytes_.size() ||
      entry.extents.size() > kMax32 - extents_.size()) {
    return Fail(ErrorCode::kUnsupported,
                "layer with more than 4 billion entries or 4 GiB of names");
  }
  if (!Ascending(entry.xattrs)) return Corrupt("xattrs are not sorted");
  const Attributes attributes = {static_cast<uint32_t>(entry.type),
                                 entry.mode,
                                 entry.uid,
                                 entry.gid,
                                 entry.device_major,
                                 entry.device_minor,
                                 InternXattrs(entry.xattrs)};
  const auto [it, is_new] = attribute_numbers_.try_emplace(
      attributes, static_cast<uint32_t>(attributes_.size()));
  if (is_new) attributes_.push_back(attributes);

  const Record record = {entry.mtime.seconds,
                         entry.size,
                         static_cast<uint32_t>(bytes_.size()),
                         static_cast<uint32_t>(entry.path.size()),
                         static_cast<uint32_t>(entry.link_target.size()),
                         entry.mtime.nanoseconds,
                         static_cast<uint32_t>(extents_.size()),
                         static_cast<uint32_t>(entry.extents.size()),
                         it->second,
                         0};
  bytes_ += entry.path;
  bytes_ += entry.link_target;
  extents_.insert(extents_.end(), entry.extents.begin(), entry.extents.end());
  if (auto checked = CheckRecord(record); !checked) {
    bytes_.resize(record.path_offset);
    extents_.resize(record.first_extent);
    return checked;
  }
  records_.push_back(record);
  CountBytes(record);
  return {};
}

void LayerIndex::CountBytes(const Record& record) {
  const auto type = static_cast<EntryType>(attributes_[record.attributes].type);
  // Sparse files may claim anything: stop at the end, do not wrap.
  const auto add = [](uint64_t& sum, uint64_t size) {
    sum += std::min(size, kMaxSize - sum);
  };
  if (type == EntryType::kRegular) {
    add(content_bytes_, record.size);
    add(diff_size_, record.size);
  } else if (type == EntryType::kSymlink) {
    add(diff_size_, record.link_length);
  }
}

Status LayerIndex::CheckRecord(const Record& r) const {
  if (r.path_offset > bytes_.size() ||
      r.path_length > bytes_.size() - r.path_offset ||
      r.link_length > bytes_.size() - r.path_offset - r.path_length) {
    return Corrupt("a name lies outside the names");
  }
  if (r.first_extent > extents_.size() ||
      r.extent_count > extents_.size() - r.first_extent) {
    return Corrupt("an extent lies outside the extents");
  }
  if (r.attributes >= attributes_.size() || r.unused != 0) {
    return Corrupt("unknown attributes");
  }
  const Attributes& a = attributes_[r.attributes];
  if (a.type > static_cast<uint32_t>(EntryType::kOpaque) || a.mode > 07777 ||
      a.xattr_set >= xattr_sets_.size() ||
      r.mtime_nanoseconds >= 1'000'000'000) {
    return Corrupt("a value out of range");
  }
  const auto type = static_cast<EntryType>(a.type);
  const auto text = std::string_view(bytes_).substr(r.path_offset);
  const auto path = text.substr(0, r.path_length);
  const auto target = text.substr(r.path_length, r.link_length);
  if (!IsNormalizedEntryPath(path) ||
      (type == EntryType::kHardLink && !IsNormalizedEntryPath(target)) ||
      (type == EntryType::kWhiteout && path.empty())) {
    return Corrupt("a name is not normalised: " + Quoted(path));
  }
  const auto extents =
      std::span(extents_).subspan(r.first_extent, r.extent_count);
  if (r.size > (type == EntryType::kRegular ? kMaxSize : 0) ||
      !FitFile(extents, r.size)) {
    return Corrupt("wrong size or extents of " + Quoted(path));
  }
  return {};
}

EntryView LayerIndex::entry(size_t i) const {
  const Record& r = records_[i];
  const Attributes& a = attributes_[r.attributes];
  const auto text = std::string_view(bytes_).substr(r.path_offset);
  return {text.substr(0, r.path_length),
          text.substr(r.path_length, r.link_length),
          static_cast<EntryType>(a.type),
          a.mode,
          a.uid,
          a.gid,
          {r.mtime_seconds, r.mtime_nanoseconds},
          r.size,
          a.device_major,
          a.device_minor,
          std::span(extents_).subspan(r.first_extent, r.extent_count),
          xattr_sets_[a.xattr_set]};
}

std::string LayerIndex::Serialize(std::string_view subject) const {
  Compressor body;
  const Counts counts = {records_.size(), attributes_.size(), extents_.size(),
                         xattr_sets_.size(), bytes_.size()};
  body.Append(&counts, sizeof counts);
  body.AppendArray(records_);
  body.AppendArray(attributes_);
  body.AppendArray(extents_);
  for (const auto& set : xattr_sets_) {
    std::string text;
    AppendWire(text, static_cast<uint32_t>(set.size()));
    for (const Xattr& x : set) {
      AppendWire(text, static_cast<uint32_t>(x.name.size()));
      AppendWire(text, static_cast<uint32_t>(x.value.size()));
      text += x.name;
      text += x.value;
    }
    body.Append(text.data(), text.size());
  }
  body.Append(bytes_.data(), bytes_.size());
  const std::string frame = body.Finish();

  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.checksum =
      XXH3_64bits_withSeed(frame.data(), frame.size(), SubjectSeed(subject));
  std::string file;
  AppendWire(file, header);
  return file + frame;
}

Result<LayerIndex> LayerIndex::Parse(std::span<const std::byte> bytes,
                                     std::string_view subject) {
  const auto header = ReadWire<Header>(bytes, 0);
  if (!header || std::memcmp(header->magic, kMagic, sizeof kMagic) != 0) {
    return Corrupt("not a layer index");
  }
  if (header->version != kVersion || header->reserved != 0) {
    return Corrupt(
        fmt::format("version {}, expected {}", header->version, kVersion));
  }
  const auto frame = bytes.subspan(sizeof(Header));
  if (XXH3_64bits_withSeed(frame.data(), frame.size(), SubjectSeed(subject)) !=
      header->checksum) {
    return Corrupt("wrong checksum");
  }

  Decompressor body(frame);
  Counts counts;
  LayerIndex index;
  index.xattr_sets_.clear();
  if (!body.Read(&counts, sizeof counts) || counts.xattr_sets == 0 ||
      !body.ReadArray(index.records_, counts.records) ||
      !body.ReadArray(index.attributes_, counts.attributes) ||
      !body.ReadArray(index.extents_, counts.extents)) {
    return Corrupt("cut short");
  }
  for (uint64_t i = 0; i < counts.xattr_sets; ++i) {
    uint32_t count;
    if (!body.Read(&count, sizeof count)) return Corrupt("cut short");
    std::vector<Xattr>& set = index.xattr_sets_.emplace_back();
    for (uint32_t j = 0; j < count; ++j) {
      uint32_t lengths[2];
      Xattr& x = set.emplace_back();
      if (!body.Read(lengths, sizeof lengths) ||
          !body.ReadArray(x.name, lengths[0]) ||
          !body.ReadArray(x.value, lengths[1])) {
        return Corrupt("cut short");
      }
      index.xattr_bytes_ += sizeof x + lengths[0] + lengths[1];
    }
    if (!Ascending(set)) return Corrupt("xattrs are not sorted");
  }
  if (!index.xattr_sets_[0].empty() ||
      !body.ReadArray(index.bytes_, counts.bytes) || !body.AtEnd()) {
    return Corrupt("wrong length");
  }
  for (const Record& r : index.records_) {
    IMGMOUNT_CHECK(index.CheckRecord(r));
    index.CountBytes(r);
  }
  return index;
}

Status LayerIndex::Save(const std::filesystem::path& path,
                        std::string_view subject) const {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(Serialize(subject)));
  return file.Commit();
}

Result<LayerIndex> LayerIndex::Load(const std::filesystem::path& path,
                                    std::string_view subject) {
  IMGMOUNT_TRY(const std::string bytes, ReadRegularFile(path, kMaxFileBytes));
  auto index = Parse(std::as_bytes(std::span(bytes)), subject);
  if (!index) return Failure(std::move(index).error().In(path.string()));
  return index;
}

// TYPE MODE UID:GID SIZE MTIME PATH, then what applies of
//   -> TARGET       of a symlink; "=> TARGET" of a hard link
//   dev=MAJOR:MINOR
//   NAME=HEX        each xattr
//   LOGICAL+LENGTH@PHYSICAL  each extent
// Names are escaped as by EscapeBytes; the root's is ".".
std::string LayerIndex::Dump() const {
  static constexpr const char* kTypes[] = {
      "file",  "dir",  "symlink", "link",     "char",
      "block", "fifo", "socket",  "whiteout", "opaque"};
  std::string out;
  for (size_t i = 0; i < size(); ++i) {
    const EntryView e = entry(i);
    out += fmt::format("{} {:04o} {}:{} {} {}.{:09} {}",
                       kTypes[static_cast<size_t>(e.type)], e.mode, e.uid,
                       e.gid, e.size, e.mtime.seconds, e.mtime.nanoseconds,
                       e.path.empty() ? "." : EscapeBytes(e.path));
    if (e.type == EntryType::kSymlink) {
      out += " -> " + EscapeBytes(e.link_target);
    } else if (e.type == EntryType::kHardLink) {
      out += " => " + EscapeBytes(e.link_target);
    } else if (e.type == EntryType::kCharDevice ||
               e.type == EntryType::kBlockDevice) {
      out += fmt::format(" dev={}:{}", e.device_major, e.device_minor);
    }
    for (const Xattr& x : e.xattrs) {
      out += " " + EscapeBytes(x.name) + "=";
      for (const char c : x.value) {
        out += fmt::format("{:02x}", static_cast<unsigned char>(c));
      }
    }
    for (const Extent& x : e.extents) {
      out += fmt::format(" {}+{}@{}", x.logical, x.length, x.physical);
    }
    out += '\n';
  }
  return out;
}

}  // namespace imgmount
