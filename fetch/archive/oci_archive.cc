// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/oci_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>
#include <vector>

#include "meta/image/layout_index.h"

namespace imgmount {
namespace {

constexpr size_t kMaxIndexBytes = 16 << 20;
constexpr size_t kChunk = 512 << 10;

std::string BlobPath(const Digest& digest) {
  const std::string& text = digest.text();
  return fmt::format("blobs/{}/{}", text.substr(0, text.find(':')),
                     digest.hex());
}

}  // namespace

Result<std::vector<Descriptor>> OciArchive::Entries() const {
  const bool is_docker = files_.Has("manifest.json");
  std::vector<Descriptor> entries;
  if (!is_docker || files_.Has("index.json")) {
    IMGMOUNT_TRY(const std::string text,
                 files_.ReadText("index.json", kMaxIndexBytes));
    auto index = ParseManifestOrIndex(text, kOciIndex);
    if (!index) return Failure(index.error().In(files_.name()));
    entries = std::get<Index>(*std::move(index)).manifests;
  }
  // Docker 25 may write an index.json that lists nothing beside its own.
  if (entries.empty() && is_docker) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{0}: is a docker-archive and no oci-archive; "
                            "write docker-archive:{0}, as in `imgpull "
                            "docker-archive:{0}`",
                            files_.name()));
  }
  return entries;
}

DocumentReader OciArchive::Reader() const {
  return DocumentReader::ByDigest([this](const Digest& digest, size_t limit) {
    return ReadVerified(digest, limit);
  });
}

Result<Source::Document> OciArchive::FetchManifest(
    const std::string& selector) {
  IMGMOUNT_TRY(const auto entries, Entries());
  return FindLayoutDocument(entries, selector, Reader());
}

Result<std::string> OciArchive::FetchSmallBlob(const Descriptor& descriptor) {
  return ReadVerified(descriptor.digest, kMaxConfigBytes);
}

Result<std::string> OciArchive::ReadVerified(const Digest& digest,
                                             size_t limit) const {
  IMGMOUNT_TRY(std::string bytes, files_.ReadText(BlobPath(digest), limit));
  if (DigestOf(bytes, digest.algorithm()) != digest) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} has other contents than its name says",
                            files_.name(), digest.text()));
  }
  return bytes;
}

Status OciArchive::FetchBlob(const Descriptor& descriptor, uint64_t offset,
                             BlobSink& sink) {
  IMGMOUNT_TRY(const TarFiles::Run run,
               files_.Find(BlobPath(descriptor.digest)));
  return PushRun(files_, run, offset, sink);
}

Status OciArchive::FetchRange(const Descriptor& descriptor, uint64_t first,
                              uint64_t end, RangeSink& sink) {
  IMGMOUNT_TRY(TarFiles::Run run, files_.Find(BlobPath(descriptor.digest)));
  run.size = std::min(run.size, end);
  IMGMOUNT_CHECK(sink.Begin(first, end));
  return PushRun(files_, run, first, sink);
}

Status PushRun(const TarFiles& files, const TarFiles::Run& run, uint64_t offset,
               BlobSink& sink) {
  std::vector<std::byte> chunk(kChunk);
  while (true) {
    if (sink.stopped()) return Fail(ErrorCode::kCancelled, "interrupted");
    IMGMOUNT_TRY(const size_t n, files.Read(run, offset, chunk));
    if (n == 0) return {};
    IMGMOUNT_CHECK(sink.Write(std::span(chunk).first(n)));
    offset += n;
  }
}

}  // namespace imgmount
